"""How sure a difference between two systems is: 95 % intervals from the same examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from llmctl.evaluation.paired_tests import FloatArray, Pairs
from llmctl.randomness import derive_seed

Interval = tuple[float, float]

_DRAWN_AT_ONCE = 1 << 22
_UNDEFINED_AT_MOST = 0.05


def difference_intervals(
    pairs: Pairs, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> list[Interval | None]:
    """Second minus first, for each of M numbers, by the percentile bootstrap.

    Examples are drawn anew with replacement, the same ones for both systems.

    Returns:
        None of fewer than two examples, and where a number does not exist in over 5% of samples.

    >>> pairs = Pairs(np.zeros((9, 1)), np.ones((9, 1)), lambda sums: sums / 9)
    >>> difference_intervals(pairs)  # every example one better, whichever are drawn
    [(1.0, 1.0)]
    """
    if len(pairs.first) < 2:
        return [None] * len(np.atleast_1d(pairs.of(pairs.first)))
    drawn = np.concatenate(list(_resampled(pairs, samples, seed)))
    outside = (1 - confidence) / 2
    return [_percentiles(values, outside) for values in drawn.T]


def rate_difference_interval(
    worse: int, better: int, examples: int, scale: float = 1.0, confidence: float = 0.95
) -> Interval:
    """The same for shares of right answers (Bonett & Price 2012): never empty, as a bootstrap of
    systems that agree everywhere would be.

    Args:
        worse, better: examples that only the first, or only the second, has right.
        scale: what a share of 1 is written as.

    >>> low, high = rate_difference_interval(9, 5, 52)
    >>> round(low, 4), round(high, 4)  # -4/54 and 1.96 sqrt((16/54 - (4/54)**2) / 54) to each side
    (-0.2179, 0.0698)
    """
    one, other = (worse + 1) / (examples + 2), (better + 1) / (examples + 2)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    spread = z * math.sqrt((one + other - (other - one) ** 2) / (examples + 2))
    middle = other - one
    return scale * max(-1.0, middle - spread), scale * min(1.0, middle + spread)


def _resampled(pairs: Pairs, samples: int, seed: int) -> Iterator[FloatArray]:
    """Differences of resampled examples, [some, M] at a time."""
    draws = np.random.default_rng(derive_seed(seed, "paired bootstrap"))
    count = len(pairs.first)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        if pairs.from_sums is not None:
            times = draws.multinomial(count, np.full(count, 1 / count), size).astype(np.float64)
            yield pairs.from_sums(times @ pairs.second) - pairs.from_sums(times @ pairs.first)
        else:
            rows = draws.integers(count, size=(size, count))
            yield np.array([pairs.of(pairs.second[r]) - pairs.of(pairs.first[r]) for r in rows])


def _percentiles(values: FloatArray, outside: float) -> Interval | None:
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - _UNDEFINED_AT_MOST) * len(values):
        return None
    low, high = np.quantile(defined, [outside, 1 - outside])
    return float(low), float(high)
