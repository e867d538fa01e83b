"""What every metric gives: statistics of each example, and the numbers that follow from them.

A metric is a plain function of predictions and references. It returns `Measured`: a table of
statistics, one row for each example, and a pure function from such rows to numbers. Intervals,
paired tests and merging over processes need nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Number:
    """One number that a metric gives, before it is measured.

    Attributes:
        name: as in gates and reports, such as `rouge_l`.
        low, high: its range; infinite where it has no bound.
        higher_is_better: None where neither is.
        unit: a word or two for a table, such as `0-100` or `nats`.
    """

    name: str
    low: float
    high: float
    higher_is_better: bool | None = True
    unit: str = ""


FromSums = Callable[[FloatArray], FloatArray]
"""Statistics summed over examples [..., K] → numbers [..., M]; NaN where one does not exist."""
FromRows = Callable[[FloatArray], FloatArray]
"""Statistics of examples [N, K] → numbers [M]; NaN where one does not exist."""


@dataclass(frozen=True)
class Measured:
    """What a metric found.

    Attributes:
        numbers: the M numbers, the main one first.
        statistics: [N, K], float64: a row for each example, in their order.
        from_sums: numbers from the column sums of `statistics`, for any leading axes: so are a
            thousand resamples one product of matrices. None where sums are not enough.
        from_rows: numbers from chosen rows, which may repeat; needed where `from_sums` is None.
        signature: all that the numbers depend on, in order: settings, tokenizer, version.
        null_reasons: for a number that came out as NaN, why.
        notes: what a reader should know, such as a tokenizer chosen by language.
        not_resampled: why rows may be left out but neither drawn twice nor exchanged with another
            system's, so that there is no interval and no paired test; empty where they may.
        rates: for a number that is the share of right examples, by its name: 1 for each that is
            right and 0 for each that is wrong, [N]. Such shares have exact intervals and tests.

    >>> right = np.array([[1.0, 1.0], [0.0, 1.0]])  # correct answers, and answers
    >>> accuracy = Number("accuracy", 0.0, 1.0)
    >>> Measured((accuracy,), right, lambda sums: sums[..., :1] / sums[..., 1:]).values()
    {'accuracy': 0.5}
    """

    numbers: tuple[Number, ...]
    statistics: FloatArray
    from_sums: FromSums | None = None
    from_rows: FromRows | None = None
    signature: Mapping[str, object] = field(default_factory=dict)
    null_reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    not_resampled: str = ""
    rates: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.from_sums is None) == (self.from_rows is None):
            raise ValueError("a metric gives its numbers either from_sums or from_rows")

    def values(self) -> dict[str, float | None]:
        """Every number by its name; None where it does not exist."""
        found = self.of(np.arange(len(self.statistics)))
        return {
            number.name: float(value) if math.isfinite(value) else None
            for number, value in zip(self.numbers, found, strict=True)
        }

    def of(self, rows: NDArray[np.int64]) -> FloatArray:
        """The numbers [M] of chosen examples, by their row; a row may be chosen twice."""
        chosen = self.statistics[rows]
        if self.from_sums is not None:
            return self.from_sums(chosen.sum(0))
        assert self.from_rows is not None
        return self.from_rows(chosen)
