from __future__ import annotations

import pytest

from llmctl.errors import UsageError
from llmctl.metrics import METRICS
from llmctl.metrics.glue import GLUE, SUPER_GLUE, suite_score, task_score


@pytest.mark.parametrize(
    ("suite", "name"),
    [(suite, name) for suite in (GLUE, SUPER_GLUE) for name in suite],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_every_task_names_numbers_that_its_metric_gives(suite, name) -> None:  # type: ignore[no-untyped-def]
    task = suite.get(name)
    entry = METRICS.get(task.metric)

    given = [number.name for number in entry.numbers(entry.settings(**task.options))]
    assert set(task.numbers) <= set(given)


def test_the_suites_are_the_published_ones() -> None:
    assert GLUE.names() == ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    assert SUPER_GLUE.names() == "boolq cb copa multirc record rte wic wsc".split()  # noqa: SIM905


def test_both_sets_of_mnli_count_as_one_task() -> None:
    values = {"validation_matched": {"accuracy": 0.84}, "validation_mismatched": {"accuracy": 0.86}}
    scores = dict.fromkeys(GLUE, 85.0)

    assert task_score(GLUE.get("mnli"), values) == pytest.approx(85.0)
    assert suite_score(GLUE, {**scores, "cola": 40.0}) == pytest.approx(80.0)


def test_numbers_on_either_scale_are_put_on_one() -> None:
    record = task_score(SUPER_GLUE.get("record"), {"validation": {"squad_f1": 70, "squad_em": 60}})
    cola = task_score(GLUE.get("cola"), {"validation": {"mcc": -0.1}})

    assert record == 65.0
    assert cola == pytest.approx(-10.0)


def test_commitment_bank_counts_a_class_that_is_absent() -> None:
    task = SUPER_GLUE.get("cb")
    entry = METRICS.get(task.metric)
    said, true = (
        ["entailment", "entailment", "contradiction"],
        ["entailment"] + ["contradiction"] * 2,
    )

    values = entry.measure(said, true, entry.settings(**task.options)).values()

    # F1 of two classes 2/3 each, of the third 0: (4/3) / 3; accuracy 2/3.
    assert task_score(task, {"validation": values}) == pytest.approx(100 * (4 / 9 + 2 / 3) / 2)


def test_a_number_that_does_not_exist_leaves_no_score() -> None:
    values = {"pearson": None, "spearman": 0.5}

    assert task_score(GLUE.get("stsb"), {"validation": values}) is None
    assert suite_score(GLUE, {**dict.fromkeys(GLUE, 1.0), "stsb": None}) is None


def test_a_mean_over_some_tasks_is_refused() -> None:
    with pytest.raises(UsageError, match="GLUE task wnli is missing"):
        suite_score(GLUE, {name: 1.0 for name in GLUE if name != "wnli"})
    with pytest.raises(UsageError, match="'sst' is no GLUE task") as refused:
        suite_score(GLUE, {"sst": 1.0})
    assert refused.value.hint == "did you mean 'sst2'?"
    with pytest.raises(UsageError, match="evaluation set validation_mismatched is missing"):
        task_score(GLUE.get("mnli"), {"validation_matched": {"accuracy": 1.0}})
