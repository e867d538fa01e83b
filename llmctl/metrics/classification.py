"""One label for each example: accuracy, precision, recall, F1, balanced accuracy and MCC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.class_counts import (
    ClassCounts,
    ClassScore,
    average_numbers,
    averages,
    class_scores,
    share,
)
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.labels import Label, check_known, classes_of, codes_of, label_pairs, one_sort
from llmctl.section import Section

NUMBERS = (
    Number("accuracy", 0.0, 1.0),
    *average_numbers(),
    Number("balanced_accuracy", 0.0, 1.0),
    Number("mcc", -1.0, 1.0),
    Number("f1", 0.0, 1.0),
    Number("precision", 0.0, 1.0),
    Number("recall", 0.0, 1.0),
)


class ClassificationSettings(Section):
    """Options of `classification`."""

    labels: list[Label] | None = Field(
        None,
        description="The classes that averages are taken over, those that no row has counting as "
        "0; none: the classes that are among the references or predictions",
    )
    positive: Label | None = Field(
        None, description="The label that f1, precision and recall are of; none: no such numbers"
    )


def classification(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
) -> Measured:
    """How often labels are right, over all rows and by class.

    All numbers are scikit-learn's with `zero_division=0`. `accuracy`; F1, precision and recall
    averaged over classes (`f1_macro` and so on); `balanced_accuracy`, the mean recall of the
    classes that references have; `mcc`, Matthews' correlation of any number of classes (Gorodkin
    2004), 0 where references or predictions are all alike; `f1`, `precision` and `recall` of the
    class `positive` alone.

    Args:
        predictions, references: N labels each: texts, whole numbers, or true and false.
        labels: the classes that averages are taken over. Name them where a class may be absent and
            must count as 0, or where one must be left out, such as "no relation". None: those
            among the chosen references or predictions.
        positive: the class that `f1`, `precision` and `recall` are of.

    Raises:
        UsageError: `positive` is no label of any row, or something is no list.
        DataError: see `label_pairs`.

    >>> found = classification(["a", "b", "b"], ["a", "b", "a"], positive="b").values()
    >>> found["accuracy"], found["f1_macro"], found["f1"]
    (0.6666666666666666, 0.6666666666666666, 0.6666666666666666)
    """
    classes, codes = _coded(predictions, references, labels)
    if positive is not None:
        one_sort([("label", classes[:1]), ("the positive label", [positive])])
        check_known(positive, classes, "the positive label")
    considered = (
        None if labels is None else np.isin(np.arange(len(classes)), _places(labels, classes))
    )
    of_positive = None if positive is None else classes.index(positive)

    def from_rows(rows: FloatArray) -> FloatArray:
        counts = _counts(rows, len(classes))
        number = len(rows)
        found = averages(counts, considered)
        found["accuracy"] = counts.right.sum() / number
        found["balanced_accuracy"] = counts.recall().sum() / (counts.actual > 0).sum()
        found["mcc"] = _matthews(counts, number)
        for name in ("f1", "precision", "recall"):
            value = np.nan if of_positive is None else getattr(counts, name)()[of_positive]
            found[name] = np.asarray(value)
        return np.array([found[number.name] for number in NUMBERS])

    missing = "no label was named as the positive one (`positive`)"
    return Measured(
        NUMBERS,
        codes,
        from_rows=from_rows,
        rates={"accuracy": (codes[:, 0] == codes[:, 1]).astype(np.float64)},
        signature={
            "labels": "seen" if labels is None else ",".join(str(label) for label in labels),
            "positive": "none" if positive is None else positive,
            "zero_division": 0,
            "version": 1,
        },
        null_reasons={}
        if positive is not None
        else dict.fromkeys(("f1", "precision", "recall"), missing),
    )


def per_class(
    predictions: Sequence[Any], references: Sequence[Any], *, labels: Sequence[Label] | None = None
) -> list[ClassScore]:
    """Precision, recall, F1 and rows of each class; arguments and errors of `classification`.

    >>> [(one.label, one.recall, one.support) for one in per_class(["a", "b"], ["a", "a"])]
    [('a', 0.5, 2), ('b', 0.0, 0)]
    """
    classes, codes = _coded(predictions, references, labels)
    scores = class_scores(classes, _counts(codes, len(classes)))
    if labels is None:
        return scores
    return [scores[place] for place in _places(labels, classes)]


def _coded(
    predictions: Sequence[Any], references: Sequence[Any], labels: Sequence[Label] | None
) -> tuple[list[Label], FloatArray]:
    """All classes, and the places among them of each row's reference and prediction, [N, 2].

    Two columns, not a column for each class: however many classes, a row stays as small.
    """
    predicted, actual = label_pairs(predictions, references, labels or ())
    classes = classes_of(predicted, actual, labels or ())
    codes = np.stack([codes_of(actual, classes), codes_of(predicted, classes)], axis=1)
    return classes, codes.astype(np.float64)


def _places(labels: Sequence[Label], classes: Sequence[Label]) -> list[int]:
    return [classes.index(label) for label in dict.fromkeys(labels)]


def _counts(rows: FloatArray, size: int) -> ClassCounts:
    actual, predicted = rows.astype(np.int64).T
    counted = (actual[actual == predicted], predicted, actual)
    return ClassCounts(*(np.bincount(c, minlength=size).astype(np.float64) for c in counted))


def _matthews(counts: ClassCounts, number: int) -> FloatArray:
    """Matthews' correlation of C classes needs no more than each class's counts."""
    shared = counts.right.sum() * number - (counts.predicted * counts.actual).sum()
    spread = [float(number**2 - (c**2).sum()) for c in (counts.predicted, counts.actual)]
    return share(np.asarray(shared), np.sqrt(np.asarray(spread[0]) * spread[1]))


CLASSIFICATION = MetricEntry(
    "classification",
    "label",
    ClassificationSettings,
    lambda _: NUMBERS,
    lambda predictions, references, settings: classification(
        predictions, references, labels=settings.labels, positive=settings.positive
    ),
    "accuracy, F1, precision and recall (macro, micro, weighted, of one label), balanced accuracy "
    "and Matthews' correlation of one label for each example",
)
