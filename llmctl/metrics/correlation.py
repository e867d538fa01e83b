"""A number for each example: Pearson's and Spearman's correlation, squared and absolute error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmctl.errors import DataError
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.labels import plain, same_length, say
from llmctl.section import Section

NUMBERS = (
    Number("pearson", -1.0, 1.0),
    Number("spearman", -1.0, 1.0),
    Number("mean_squared_error", 0.0, math.inf, higher_is_better=False),
    Number("mean_absolute_error", 0.0, math.inf, higher_is_better=False),
)


class CorrelationSettings(Section):
    """`correlation` has no options."""


def correlation(predictions: Sequence[Any], references: Sequence[Any]) -> Measured:
    """How numbers go together, and how far they are apart; all in float64.

    `pearson` and `spearman` are scipy's (ties have the mean of their ranks); they do not exist
    where predictions or references are all equal. Predictions that differ by rounding alone are
    not told from that.

    Args:
        predictions, references: N finite numbers each; texts that spell a number count as it.

    Raises:
        UsageError: predictions or references are no list.
        DataError: numbers that differ, or a row that is no finite number.

    >>> correlation([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).values()["spearman"]
    1.0
    """
    same_length(predictions, references)
    sides = [
        np.array([_number(value, f"{name} {row}") for row, value in enumerate(values, 1)])
        for name, values in (("prediction", predictions), ("reference", references))
    ]
    # A rank among all rows orders any choice of rows, without sorting their values again.
    ranks = [np.unique(side, return_inverse=True)[1].astype(np.float64) for side in sides]
    sizes = [int(rank.max()) + 1 for rank in ranks]
    null = dict.fromkeys(("pearson", "spearman"), "predictions or references are all equal")
    null["mean_squared_error"] = "an error is too large to be squared"
    return Measured(
        NUMBERS,
        np.column_stack([*sides, *ranks]),
        from_rows=lambda rows: _numbers(rows, sizes),
        signature={"ties": "mean rank", "version": 1},
        null_reasons=null,
    )


def _numbers(rows: FloatArray, sizes: Sequence[int]) -> FloatArray:
    predicted, actual = rows[:, 0], rows[:, 1]
    ranks = [_mean_ranks(rows[:, 2 + side], size) for side, size in enumerate(sizes)]
    apart = predicted - actual
    with np.errstate(over="ignore"):
        squared = (apart**2).mean()
    return np.array([_pearson(predicted, actual), _pearson(*ranks), squared, np.abs(apart).mean()])


def _pearson(left: FloatArray, right: FloatArray) -> float:
    """NaN where either is constant."""
    if (left == left[0]).all() or (right == right[0]).all():
        return math.nan
    # Scaled before they are squared, so that tiny or huge values neither vanish nor overflow.
    left, right = left - left.mean(), right - right.mean()
    left, right = left / np.abs(left).max(), right / np.abs(right).max()
    found = float(left @ right / math.sqrt((left @ left) * (right @ right)))
    return max(-1.0, min(1.0, found))


def _mean_ranks(codes: FloatArray, size: int) -> FloatArray:
    """From the order of values to ranks from 1 on, equal values sharing the mean of theirs.

    >>> _mean_ranks(np.array([2.0, 0.0, 2.0]), 3).tolist()
    [2.5, 1.0, 2.5]
    """
    places = codes.astype(np.int64)
    counts = np.bincount(places, minlength=size)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[places])


def _number(value: Any, where: str) -> float:
    found = plain(value)
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            found = None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise DataError(f"{where} is {say(value)}; a finite number was expected")
    return float(found)


CORRELATION = MetricEntry(
    "correlation",
    "number",
    CorrelationSettings,
    lambda _: NUMBERS,
    lambda predictions, references, _: correlation(predictions, references),
    "Pearson's and Spearman's correlation, mean squared and mean absolute error",
)
