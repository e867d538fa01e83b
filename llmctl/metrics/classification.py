"""One label for each example: accuracy, precision, recall, F1, balanced accuracy and MCC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
from llmctl.metrics.labels import Label, classes_of, codes_of, label_pairs, place_of
from llmctl.section import Section

OF_POSITIVE = ("f1", "precision", "recall")
NUMBERS = (
    Number("accuracy", 0.0, 1.0),
    *average_numbers(),
    Number("balanced_accuracy", 0.0, 1.0),
    Number("mcc", -1.0, 1.0),
    *(Number(name, 0.0, 1.0) for name in OF_POSITIVE),
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
        positive: the class that `f1`, `precision` and `recall` are of; where no row has it on
            either side, they do not exist.

    Raises:
        UsageError, DataError: see `label_pairs`.

    >>> found = classification(["a", "b", "b"], ["a", "b", "a"], positive="b").values()
    >>> found["accuracy"], found["f1_macro"], found["f1"]
    (0.6666666666666666, 0.6666666666666666, 0.6666666666666666)
    """
    classes, codes = _coded(predictions, references, labels)
    averaged = None if labels is None else np.isin(range(len(classes)), _places(labels, classes))
    place = None if positive is None else place_of(positive, classes)
    return Measured(
        NUMBERS,
        codes,
        from_rows=lambda rows: _numbers(rows, len(classes), averaged, place),
        rates={"accuracy": (codes[:, 0] == codes[:, 1]).astype(np.float64)},
        signature={
            "labels": "seen" if labels is None else ",".join(map(str, labels)),
            "positive": "none" if positive is None else positive,
            "zero_division": 0,
            "version": 1,
        },
        null_reasons=dict.fromkeys(OF_POSITIVE, _why_none(positive, classes)),
    )


def _why_none(positive: Label | None, classes: Sequence[Label]) -> str:
    if positive is None:
        return "no label was named as the positive one (`positive`)"
    shown = ", ".join(repr(label) for label in classes[:20])
    return f"no row has the positive label {positive!r}; labels are {shown}"


def _numbers(
    rows: FloatArray, size: int, averaged: NDArray[np.bool_] | None, positive: int | None
) -> FloatArray:
    counts, number = _counts(rows, size), len(rows)
    found = averages(counts, averaged)
    found["accuracy"] = counts.right.sum() / number
    found["balanced_accuracy"] = counts.recall().sum() / (counts.actual > 0).sum()
    found["mcc"] = _matthews(counts, number)
    for name in OF_POSITIVE:
        value = np.nan if positive is None else getattr(counts, name)()[positive]
        found[name] = np.asarray(value)
    return np.array([found[one.name] for one in NUMBERS])


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
