"""Any number of labels for each example: F1 in four averages, subset accuracy and Hamming loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.errors import DataError
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
from llmctl.metrics.labels import Label, classes_of, known_label, one_sort, same_length, say
from llmctl.registry import nearest
from llmctl.section import Section

PREFIX = "multi_label_"
NUMBERS = (
    *average_numbers(PREFIX, ("micro", "macro", "weighted", "samples")),
    Number("subset_accuracy", 0.0, 1.0),
    Number("hamming_loss", 0.0, 1.0, higher_is_better=False),
)


class MultiLabelSettings(Section):
    """Options of `multi_label`."""

    labels: list[Label] | None = Field(
        None,
        description="All labels there are, those that no row has counting as 0; none: the labels "
        "that are among the references or predictions",
    )


def multi_label(
    predictions: Sequence[Any], references: Sequence[Any], *, labels: Sequence[Label] | None = None
) -> Measured:
    """How well sets of labels agree, over all labels, by label and by row.

    All numbers are scikit-learn's on indicator matrices with `zero_division=0`: F1, precision and
    recall averaged `micro` (over all label decisions), `macro` and `weighted` (over labels) and
    `samples` (over rows; a row without any label on either side counts 0); `subset_accuracy`, the
    share of rows whose labels are all right; `hamming_loss`, the share of wrong decisions.

    Args:
        predictions, references: N lists of labels each; a list may be empty, order and repeats do
            not matter.
        labels: all labels there are. None: those among the chosen references or predictions.

    Raises:
        UsageError: predictions or references are no list.
        DataError: numbers that differ, a row that is no list of labels, or a label that is not one
            of `labels`.

    >>> found = multi_label([["joy"], []], [["joy", "love"], ["anger"]]).values()
    >>> found["multi_label_f1_micro"], found["subset_accuracy"], found["hamming_loss"]
    (0.5, 0.0, 0.3333333333333333)
    """
    classes, predicted, actual = _matrices(predictions, references, labels)
    right = predicted & actual
    rows = ClassCounts(*(part.sum(1).astype(np.float64) for part in (right, predicted, actual)))
    statistics = np.column_stack(
        [right, predicted, actual, rows.f1(), rows.precision(), rows.recall(),
         (predicted == actual).all(1), np.ones(len(actual))]
    ).astype(np.float64)  # fmt: skip
    size, fixed = len(classes), labels is not None

    def from_sums(sums: FloatArray) -> FloatArray:
        counts = ClassCounts.of_columns(sums[..., : 3 * size])
        f1, precision, recall, subset, number = np.moveaxis(sums[..., 3 * size :], -1, 0)
        considered = np.ones(size, dtype=bool) if fixed else counts.seen
        found = averages(counts, considered)
        for name, total in (("f1", f1), ("precision", precision), ("recall", recall)):
            found[f"{name}_samples"] = total / number
        wrong = (counts.predicted + counts.actual - 2 * counts.right).sum(-1)
        found = {PREFIX + name: value for name, value in found.items()}
        found["subset_accuracy"] = subset / number
        found["hamming_loss"] = share(wrong, number * considered.sum(-1))
        return np.stack([found[number.name] for number in NUMBERS], axis=-1)

    none = "no row has a label on either side"
    return Measured(
        NUMBERS,
        statistics,
        from_sums=from_sums,
        rates={"subset_accuracy": statistics[:, -2]},
        signature={
            "labels": "seen" if labels is None else ",".join(str(label) for label in labels),
            "zero_division": 0,
            "version": 1,
        },
        null_reasons={number.name: none for number in NUMBERS if number.name.endswith("_macro")},
    )


def per_label(
    predictions: Sequence[Any], references: Sequence[Any], *, labels: Sequence[Label] | None = None
) -> list[ClassScore]:
    """Precision, recall, F1 and rows of each label; arguments and errors of `multi_label`.

    >>> [(one.label, one.f1, one.support) for one in per_label([["a"], ["b"]], [["a"], ["a", "b"]])]
    [('a', 0.6666666666666666, 2), ('b', 1.0, 1)]
    """
    classes, predicted, actual = _matrices(predictions, references, labels)
    counted = (predicted & actual, predicted, actual)
    counts = ClassCounts(*(part.sum(0).astype(np.float64) for part in counted))
    return class_scores(classes, counts)


def _matrices(
    predictions: Sequence[Any], references: Sequence[Any], labels: Sequence[Label] | None
) -> tuple[list[Label], Any, Any]:
    """All labels, and who has which: two arrays of truth values, [N, L]."""
    same_length(predictions, references)
    sets = [
        [_label_set(value, f"{name} {row}", labels) for row, value in enumerate(values, 1)]
        for name, values in (("prediction", predictions), ("reference", references))
    ]
    one_sort(
        [("label", [label for side in sets for row in side for label in row]),
         ("label", labels or ())]
    )  # fmt: skip
    classes = list(dict.fromkeys(labels)) if labels is not None else classes_of(*sets[0], *sets[1])
    place = {label: number for number, label in enumerate(classes)}
    found = []
    for side in sets:
        matrix = np.zeros((len(side), len(classes)), dtype=bool)
        for row, held in zip(matrix, side, strict=True):
            row[[place[label] for label in held]] = True
        found.append(matrix)
    return classes, found[0], found[1]


def _label_set(value: Any, where: str, labels: Sequence[Label] | None) -> list[Label]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple | set | frozenset):
        raise DataError(
            f"{where} is {say(value)}; a list of labels, perhaps empty, was expected",
            hint="one label for each row is the metric `classification`",
        )
    held = [known_label(label, f"a label of {where}", labels or ()) for label in value]
    for label in held:
        if labels is not None and label not in labels:
            close = nearest(str(label), [str(known) for known in labels])
            raise DataError(
                f"{where} has the label {label!r}, which is not one of `labels`",
                hint=f"did you mean {close!r}?" if close else None,
            )
    return held


MULTI_LABEL = MetricEntry(
    "multi_label",
    "labels",
    MultiLabelSettings,
    lambda _: NUMBERS,
    lambda predictions, references, settings: multi_label(
        predictions, references, labels=settings.labels
    ),
    "F1, precision and recall (micro, macro, weighted, by row), subset accuracy and Hamming loss "
    "of any number of labels for each example",
)
