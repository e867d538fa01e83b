"""How well scores order examples: area under the ROC curve, and average precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.labels import Label
from llmctl.metrics.probabilities import class_table
from llmctl.section import Section

NUMBERS = (Number("roc_auc", 0.0, 1.0), Number("average_precision", 0.0, 1.0))


class AucSettings(Section):
    """Options of `auc`."""

    labels: list[Label] | None = Field(
        None, description="The classes, in the order of values where rows are lists of them"
    )
    positive: Label | None = Field(
        None,
        description="Of two classes, the one to be found; none: the last in order, 1 of 0 and 1",
    )


def auc(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
) -> Measured:
    """How well scores tell classes apart, whatever the threshold.

    `roc_auc`: the chance that an example of the class has a higher score than another one, equal
    scores counting half. `average_precision`: the mean of precision over the examples of the class,
    from the highest score down, without interpolation. Of two classes they are of the positive one;
    of more, each class stands against all others and the plain mean is taken (one-vs-rest, macro).
    Both are scikit-learn's. They do not exist where a class has no example, or has them all.

    Args:
        predictions, references, labels, positive: see `class_table`. Scores need not be
            probabilities.

    Raises:
        UsageError, DataError: see `class_table`.

    >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).values()
    {'roc_auc': 0.75, 'average_precision': 0.8333333333333333}
    """
    table = class_table(predictions, references, labels, positive)
    columns = range(len(table.classes)) if table.positive is None else [table.positive]
    # Only the order of scores matters: a rank among all rows orders any choice of them, so that
    # resamples count ranks and sort nothing.
    ranks = [np.unique(table.values[:, column], return_inverse=True)[1] for column in columns]
    sizes = [int(rank.max()) + 1 for rank in ranks]

    def from_rows(rows: FloatArray) -> FloatArray:
        found = [
            _areas(rows[:, 1 + place].astype(np.int64), rows[:, 0] == column, size)
            for place, (column, size) in enumerate(zip(columns, sizes, strict=True))
        ]
        return np.asarray(np.mean(found, axis=0))

    counts = np.bincount(table.actual, minlength=len(table.classes))
    absent = [name for name, count in zip(table.classes, counts, strict=True) if not count]
    reason = (
        f"no reference is {', '.join(absent)}"
        if absent
        else "a class has no example, or has them all"
    )
    return Measured(
        NUMBERS,
        np.column_stack([table.actual, *ranks]).astype(np.float64),
        from_rows=from_rows,
        signature={
            "positive": "each" if table.positive is None else table.classes[table.positive],
            "average": "macro-ovr" if table.positive is None else "binary",
            "version": 1,
        },
        null_reasons={number.name: reason for number in NUMBERS},
    )


def _areas(ranks: NDArray[np.int64], positive: NDArray[np.bool_], size: int) -> list[float]:
    """Both numbers of one class against the rest, from how often each rank occurs."""
    found = np.bincount(ranks[positive], minlength=size)[::-1].astype(np.float64)
    other = np.bincount(ranks[~positive], minlength=size)[::-1].astype(np.float64)
    if not found.any() or not other.any():
        return [math.nan, math.nan]
    hits, misses = found.cumsum(), other.cumsum()
    # Pairs in the right order: others that come after, and half of those at the same rank.
    right = (found * (misses[-1] - misses + other / 2)).sum()
    present = hits + misses > 0
    precision = np.divide(hits, hits + misses, out=np.zeros(size), where=present)
    return [
        float(right / (hits[-1] * misses[-1])),
        float((precision * found).sum() / hits[-1]),
    ]


AUC = MetricEntry(
    "auc",
    "probabilities",
    AucSettings,
    lambda _: NUMBERS,
    lambda predictions, references, settings: auc(
        predictions, references, labels=settings.labels, positive=settings.positive
    ),
    "area under the ROC curve and average precision; of more than two classes, the mean of each "
    "against the rest",
)
