from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples

from llmctl.metrics.classification import classification, per_class


def scikit_learn(predictions: list[Any], references: list[Any], **options: Any) -> Numbers:
    from sklearn import metrics

    found: Numbers = {
        "accuracy": metrics.accuracy_score(references, predictions),
        "mcc": metrics.matthews_corrcoef(references, predictions),
    }
    for average in ("macro", "micro", "weighted"):
        scores = metrics.precision_recall_fscore_support(
            references, predictions, average=average, zero_division=0, **options
        )
        names = (f"precision_{average}", f"recall_{average}", f"f1_{average}")
        found.update(zip(names, map(float, scores[:3]), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted classes that no reference has
        found["balanced_accuracy"] = metrics.balanced_accuracy_score(references, predictions)
    return found


def drawn(classes: list[Any], rows: int, seed: int, accuracy: float = 0.6) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(classes) + 1)
    references = generator.choice(len(classes), rows, p=weights / weights.sum())
    wrong = generator.random(rows) > accuracy
    predictions = np.where(wrong, generator.integers(0, len(classes), rows), references)
    return [classes[c] for c in predictions], [classes[c] for c in references]


@pytest.mark.parametrize(
    "classes",
    [["no", "yes"], list("abcdefg"), list(range(77)), [False, True], ["好", "坏", "neutral"]],
    ids=["two", "seven", "many", "truth", "chinese"],
)
def test_every_number_is_that_of_scikit_learn(classes: list[Any]) -> None:
    assert_resamples(classification, *drawn(classes, 150, 1), scikit_learn)


def test_the_classes_of_few_rows_are_those_of_scikit_learn() -> None:
    for seed in range(30):
        assert_resamples(classification, *drawn(list("abcd"), 6, seed, 0.3), scikit_learn, 2)


@pytest.mark.parametrize("positive", ["a", "b"])
def test_the_positive_class_is_that_of_scikit_learn(positive: str) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    def reference(predictions: list[Any], references: list[Any]) -> Numbers:
        scores = precision_recall_fscore_support(
            references, predictions, average="binary", pos_label=positive, zero_division=0
        )
        return dict(zip(("precision", "recall", "f1"), map(float, scores[:3]), strict=True))

    assert_resamples(
        lambda p, r: classification(p, r, positive=positive), *drawn(["a", "b"], 60, 3), reference
    )


def test_named_classes_are_those_that_averages_are_taken_over() -> None:
    predictions, references = drawn(["none", "born", "died"], 80, 4)
    kept = ["born", "died"]

    assert_resamples(
        lambda p, r: classification(p, r, labels=kept), predictions, references,
        lambda p, r: scikit_learn(p, r, labels=kept),
    )  # fmt: skip


def test_a_class_that_no_row_has_counts_as_nothing_where_classes_are_named() -> None:
    # CommitmentBank is judged over three classes. Two occur here, each with
    # F1 = 2 * 1 / (2 + 1) = 2/3 and 2/3: over three classes 4/9, over two 2/3.
    predictions, references = ["yes", "yes", "no"], ["yes", "no", "no"]
    fixed = ["yes", "no", "neutral"]

    assert_equal(classification(predictions, references).values(), {"f1_macro": 2 / 3})
    assert_equal(
        classification(predictions, references, labels=fixed).values(), {"f1_macro": 4 / 9}
    )


def test_matthews_of_a_constant_answer_is_zero() -> None:
    assert classification(["a", "a"], ["a", "b"]).values()["mcc"] == 0.0
    assert classification(["a", "b"], ["a", "a"]).values()["mcc"] == 0.0


def test_without_a_positive_label_its_numbers_do_not_exist() -> None:
    measured = classification(["a"], ["a"])

    assert measured.values()["f1"] is None
    assert "positive" in measured.null_reasons["f1"]


def test_each_class_by_itself() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    predictions, references = drawn(list("abcde"), 50, 5)
    found = per_class(predictions, references)
    expected = np.array(precision_recall_fscore_support(references, predictions, zero_division=0)).T

    assert [one.label for one in found] == sorted({*predictions, *references})
    got = [[one.precision, one.recall, one.f1, one.support] for one in found]
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert [one.label for one in per_class(predictions, references, labels=["e", "x"])] == [
        "e",
        "x",
    ]


@pytest.mark.parametrize("positive", ["equivalentt", 1])
def test_of_a_positive_label_that_no_row_has_there_are_no_numbers(positive: Any) -> None:
    measured = classification(["equivalent", "1"], ["other", "1"], positive=positive)

    assert [measured.values()[name] for name in ("f1", "precision", "recall")] == [None] * 3
    assert measured.null_reasons["f1"] == (
        f"no row has the positive label {positive!r}; labels are '1', 'equivalent', 'other'"
    )
    assert measured.values()["accuracy"] == 0.5


def test_a_row_stays_as_small_with_many_classes() -> None:
    assert classification(*drawn(list(range(500)), 1000, 6)).statistics.shape == (1000, 2)
