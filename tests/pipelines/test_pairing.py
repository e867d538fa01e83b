"""Two systems are measured together, from what was kept of each, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from llmctl.evaluation.outcome import Examples
from llmctl.evaluation.paired_tests import NotComparable, PairedTest
from llmctl.pipelines.pairing import System, paired_tests
from llmctl.pipelines.task_pairs import measured_again, task_examples
from llmctl.tasks.base import Example, Task
from llmctl.tasks.text_classification import TextClassification
from llmctl.tasks.token_classification import TokenClassification

WORDS = [["Ada", "met", "Bob"], ["in", "Oslo"], ["no", "one"]] * 6
TAGS = [["B-PER", "O", "B-PER"], ["O", "B-LOC"], ["O", "O"]] * 6


def kept(task: Task, rows: list[dict[str, Any]], said: list[Any]) -> System:
    """A system that answered rows, as an evaluation would keep it."""
    examples = [Example("rows.jsonl", n, row, task.example(row)) for n, row in enumerate(rows, 1)]
    answers = [{"prediction": one} for one in said]
    measured = task.measure(examples, answers)
    found: Examples = task_examples(task, examples, answers, measured)
    values = {name: value for one in measured for name, value in one.values().items()}
    return System("results.json", found.rows, found.measures, values)


def test_a_finetuned_tasks_answers_are_tested_without_its_model() -> None:
    rows = [{"text": f"text {n}", "label": "yes" if n % 2 else "no"} for n in range(40)]
    task = TextClassification(name="text-classification", labels=["no", "yes"], kind="single")
    right = [row["label"] for row in rows]
    first = kept(task, rows, right)
    second = kept(task, rows, ["no"] * 20 + right[20:])
    found = paired_tests(first, second, ["accuracy", "f1_macro"])
    accuracy, f1 = found["accuracy"], found["f1_macro"]
    assert isinstance(accuracy, PairedTest)
    assert isinstance(f1, PairedTest)
    assert accuracy.p_lower == pytest.approx(0.5**10)  # ten of ten went wrong
    assert f1.differing == 10
    assert f1.p_lower < 0.01


def test_a_task_with_several_metrics_is_tested_in_all_of_them() -> None:
    rows = [{"tokens": words, "tags": tags} for words, tags in zip(WORDS, TAGS, strict=True)]
    task = TokenClassification(name="token-classification")
    examples = [Example("", n, row, task.example(row)) for n, row in enumerate(rows, 1)]
    task = task.settle(examples)
    worse = [["O"] * len(tags) for tags in TAGS]
    found = paired_tests(
        kept(task, rows, TAGS), kept(task, rows, worse), ["seqeval_f1", "seqeval_strict_f1"]
    )
    for test in found.values():
        assert isinstance(test, PairedTest)
        assert test.difference == -1.0
        assert test.p_lower < 0.01


def test_what_was_kept_gives_the_same_numbers_again() -> None:
    rows = [{"text": f"{n}", "label": float(n)} for n in range(6)]
    task = TextClassification(name="text-classification", kind="regression")
    system = kept(task, rows, [0.5, 1.5, 1.0, 3.0, 5.0, 4.0])
    (how,) = system.measures.values()
    (measured,) = measured_again(how["settings"], system.rows)
    assert measured.values() == system.values


def system(name: str, settings: dict[str, Any], numbers: list[str], **row: Any) -> System:
    measures = {name: {"numbers": numbers, "settings": settings}}
    return System("a.json", [row] * 8, measures, dict.fromkeys(numbers))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (system("distinct", {}, ["distinct_1"], prediction="a b"), "cannot be tested on pairs"),
        (system("my/module.py", {}, ["length"], prediction="a"), "scores all examples at once"),
        (system("bleu", {}, ["bleu"], prediction="a b c d", references="a"), "no metric"),
    ],
)
def test_numbers_that_cannot_be_tested_say_why(one: System, said: str) -> None:
    (name,) = one.values if "bleu" not in one.values else ["chrf"]
    reason = paired_tests(one, one, [name])[name]
    assert isinstance(reason, NotComparable)
    assert said in str(reason)


def test_other_numbers_of_examples_and_other_references_are_refused() -> None:
    one = system("bleu", {}, ["bleu"], prediction="a b c d", references="a b c d")
    fewer = System("b.json", one.rows[:5], one.measures, one.values)
    assert "there were 8 examples, now 5" in str(paired_tests(one, fewer, ["bleu"])["bleu"])
    other = system("bleu", {}, ["bleu"], prediction="a b c d", references="x")
    assert "references differ" in str(paired_tests(one, other, ["bleu"])["bleu"])


def test_one_metric_that_was_changed_does_not_hide_the_others() -> None:
    rows = [{"tokens": words, "tags": tags} for words, tags in zip(WORDS, TAGS, strict=True)]
    task = TokenClassification(name="token-classification")
    task = task.settle([Example("", n, row, task.example(row)) for n, row in enumerate(rows, 1)])
    one = kept(task, rows, TAGS)
    other = System(one.name, one.rows, one.measures, {**one.values, "seqeval_f1": 0.5})
    found = paired_tests(one, other, ["seqeval_f1", "seqeval_strict_f1"])
    assert "was changed" in str(found["seqeval_f1"])
    assert isinstance(found["seqeval_strict_f1"], PairedTest)
