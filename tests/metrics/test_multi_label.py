from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples

from llmctl.errors import DataError
from llmctl.metrics.multi_label import multi_label, per_label

LABELS = ["anger", "fear", "joy", "love", "sadness"]


def scikit_learn(
    predictions: list[Any], references: list[Any], labels: list[Any] | None = None
) -> Numbers:
    from sklearn import metrics
    from sklearn.preprocessing import MultiLabelBinarizer

    matrices = MultiLabelBinarizer(classes=labels).fit([*predictions, *references])
    actual, predicted = matrices.transform(references), matrices.transform(predictions)
    found: Numbers = {
        "subset_accuracy": metrics.accuracy_score(actual, predicted),
        "hamming_loss": metrics.hamming_loss(actual, predicted),
    }
    for average in ("micro", "macro", "weighted", "samples"):
        scores = metrics.precision_recall_fscore_support(
            actual, predicted, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), scores[:3], strict=True):
            found[f"multi_label_{name}_{average}"] = float(value)
    return found


def drawn(rows: int, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    generator = np.random.default_rng(seed)
    actual = generator.random((rows, len(LABELS))) < [0.5, 0.2, 0.3, 0.1, 0.02]
    predicted = actual ^ (generator.random(actual.shape) < 0.2)
    sides = [[[LABELS[c] for c in np.flatnonzero(row)] for row in m] for m in (predicted, actual)]
    return sides[0], sides[1]


def test_every_number_is_that_of_scikit_learn() -> None:
    assert_resamples(multi_label, *drawn(120, 1), scikit_learn)


def test_few_rows_and_named_labels_are_those_of_scikit_learn() -> None:
    for seed in range(10):
        assert_resamples(
            lambda p, r: multi_label(p, r, labels=LABELS), *drawn(4, seed),
            lambda p, r: scikit_learn(p, r, LABELS),
        )  # fmt: skip


def test_order_and_repeats_of_labels_do_not_matter() -> None:
    assert multi_label([["b", "a", "a"]], [("a", "b")]).values()["subset_accuracy"] == 1.0


def test_reading_comprehension_with_many_right_options_is_a_set_of_options() -> None:
    # MultiRC: F1a over the answers of all questions, and questions wholly right. Two questions,
    # 2 options right of 3 predicted and 3 true: F1a = 2/3; the second is wholly right.
    found = multi_label([["0", "1"], ["2"]], [["1", "2"], ["2"]]).values()

    assert_equal(found, {"multi_label_f1_micro": 2 / 3, "subset_accuracy": 0.5})


def test_rows_without_any_label_have_no_macro_average() -> None:
    measured = multi_label([[], []], [[], []])
    values = measured.values()

    assert values["subset_accuracy"] == 1.0
    assert values["hamming_loss"] == 0.0
    assert values["multi_label_f1_macro"] is None
    assert "no row has a label" in measured.null_reasons["multi_label_f1_macro"]


def test_each_label_by_itself() -> None:
    from sklearn import metrics
    from sklearn.preprocessing import MultiLabelBinarizer

    predictions, references = drawn(50, 3)
    matrices = MultiLabelBinarizer().fit([*predictions, *references])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = metrics.f1_score(
            matrices.transform(references), matrices.transform(predictions), average=None
        )

    found = per_label(predictions, references)
    assert [one.label for one in found] == matrices.classes_.tolist()
    np.testing.assert_allclose([one.f1 for one in found], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        (["ab"], [["a"]], "prediction 1 is the text 'ab'; a list of labels"),
        ([["a"]], [None], "reference 1 is None"),
        ([["a"], ["a"]], [["a"], ["b", None]], "a label of reference 2 is missing"),
        ([["a"]], [["a"], []], "1 predictions and 2 references"),
        ([[1]], [["1"]], "never be equal"),
        ([["angr"]], [["anger"]], "prediction 1 has the label 'angr'"),
    ],
)
def test_rows_that_are_no_lists_of_labels_are_refused(
    predictions: list[Any], references: list[Any], words: str
) -> None:
    labels = LABELS if "angr" in words else None
    with pytest.raises(DataError, match=words):
        multi_label(predictions, references, labels=labels)
