"""Precision, recall and F1 from counts of each class, averaged in every usual way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmctl.metrics.base import FloatArray, Number

AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True)
class ClassCounts:
    """How often each of C classes was right, predicted, and true.

    Attributes:
        right: predicted and true, [..., C].
        predicted, actual: predicted at all, true at all, [..., C].
    """

    right: FloatArray
    predicted: FloatArray
    actual: FloatArray

    @classmethod
    def of_columns(cls, columns: FloatArray) -> ClassCounts:
        """From [..., 3 C] columns: all of `right`, then of `predicted`, then of `actual`."""
        size = columns.shape[-1] // 3
        return cls(
            columns[..., :size], columns[..., size : 2 * size], columns[..., 2 * size : 3 * size]
        )

    @property
    def seen(self) -> NDArray[np.bool_]:
        """The classes that were predicted or true, [..., C]."""
        return (self.predicted + self.actual) > 0

    def precision(self) -> FloatArray:
        """[..., C]; 0 for a class that was never predicted."""
        return share(self.right, self.predicted)

    def recall(self) -> FloatArray:
        """[..., C]; 0 for a class that was never true."""
        return share(self.right, self.actual)

    def f1(self) -> FloatArray:
        """[..., C]; 0 for a class that was neither."""
        return share(2 * self.right, self.predicted + self.actual)


@dataclass(frozen=True)
class ClassScore:
    """How one class fared: `support` rows are of it, `predicted` were said to be."""

    label: str | int
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part / whole, and 0 where the whole is 0, as scikit-learn has it with `zero_division=0`.

    >>> share(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.5, 0.0]
    """
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


def averages(
    counts: ClassCounts, considered: NDArray[np.bool_] | None = None
) -> dict[str, FloatArray]:
    """`f1_macro` and so on → values [...]; NaN for a macro average over no class at all.

    macro: the mean over classes, each counting alike. weighted: each counts as often as it is
    true. micro: from the sums over classes.

    Args:
        considered: the classes that count, [..., C]; None: those that were predicted or true.

    >>> counts = ClassCounts(*np.array([[2.0, 0.0], [3.0, 1.0], [2.0, 2.0]]))
    >>> {name: float(value) for name, value in averages(counts).items() if name[:2] == "f1"}
    {'f1_macro': 0.4, 'f1_micro': 0.5, 'f1_weighted': 0.4}
    """
    counted = counts.seen if considered is None else np.broadcast_to(considered, counts.seen.shape)
    inside = counted.astype(np.float64)
    number, weight = inside.sum(-1), (counts.actual * inside).sum(-1)
    kept = [(part * inside).sum(-1) for part in (counts.right, counts.predicted, counts.actual)]
    pooled = ClassCounts(*kept)
    found: dict[str, FloatArray] = {}
    for name in ("f1", "precision", "recall"):
        each = getattr(counts, name)()
        with np.errstate(invalid="ignore"):
            found[f"{name}_macro"] = np.asarray((each * inside).sum(-1) / number)
        found[f"{name}_micro"] = getattr(pooled, name)()
        found[f"{name}_weighted"] = share((each * counts.actual * inside).sum(-1), weight)
    return found


def average_numbers(prefix: str = "", order: Sequence[str] = AVERAGES) -> tuple[Number, ...]:
    """The numbers of `averages`: F1, precision and recall of each average in turn."""
    return tuple(
        Number(f"{prefix}{name}_{average}", 0.0, 1.0)
        for average in order
        for name in ("f1", "precision", "recall")
    )


def class_scores(labels: Sequence[str | int], counts: ClassCounts) -> list[ClassScore]:
    """A row for each class; `counts` are [C]."""
    columns = zip(
        labels, counts.precision(), counts.recall(), counts.f1(), counts.actual, counts.predicted,
        strict=True,
    )  # fmt: skip
    return [
        ClassScore(label, float(p), float(r), float(f), int(support), int(predicted))
        for label, p, r, f, support, predicted in columns
    ]
