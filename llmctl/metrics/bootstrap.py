"""How sure a number is: an interval for it, from the examples it was measured on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from llmctl.metrics.base import FloatArray, Measured
from llmctl.randomness import derive_seed

Interval = tuple[float, float]

_DRAWN_AT_ONCE = 1 << 22
_UNDEFINED_AT_MOST = 0.05


def interval(
    measured: Measured, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Interval | None]:
    """An interval for every number: low and high.

    The percentile bootstrap (Efron & Tibshirani 1993, chapter 13): examples are drawn anew, as
    many, with replacement, and the numbers worked out of them. A rate of right and wrong answers
    gets Wilson's interval instead: that of a system which is always right is not empty.

    Args:
        samples: how often examples are drawn.
        seed: the same seed draws the same examples.

    Returns:
        By name. None where there is no interval: for the reason in `measured.not_resampled`, of
        fewer than two examples, and where a number does not exist in over 5% of the samples.

    >>> from llmctl.metrics.exact_match import exact_match
    >>> low, high = interval(exact_match(["yes"] * 9, ["yes"] * 9))["exact_match"]
    >>> round(low, 3), high
    (0.701, 1.0)
    """
    names = [number.name for number in measured.numbers]
    if measured.not_resampled or len(measured.statistics) < 2:
        return dict.fromkeys(names)
    rates = {
        number.name: _of_rate(right, number.high, confidence)
        for number in measured.numbers
        if (right := measured.rates.get(number.name)) is not None
    }
    if len(rates) == len(names):
        return dict(rates)
    found = np.concatenate(list(_resamples(measured, samples, seed)))
    outside = (1 - confidence) / 2
    return {
        name: rates.get(name) or _percentiles(values, outside)
        for name, values in zip(names, found.T, strict=True)
    }


def wilson_interval(right: float, answers: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent answers (Wilson 1927).

    >>> low, high = wilson_interval(9, 10)
    >>> round(low, 4), round(high, 4)
    (0.5958, 0.9821)
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / answers
    spread = z * math.sqrt(share * (1 - share) / answers + (z / (2 * answers)) ** 2)
    middle, scale = share + z * z / (2 * answers), 1 + z * z / answers
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _of_rate(right: FloatArray, scale: float, confidence: float) -> Interval:
    low, high = wilson_interval(float(right.sum()), len(right), confidence)
    if not math.isfinite(scale):
        return low, high
    return scale * low, scale * high


def _resamples(measured: Measured, samples: int, seed: int) -> Iterator[FloatArray]:
    """The numbers of resampled examples, [some, M] at a time."""
    draws = np.random.default_rng(derive_seed(seed, "bootstrap"))
    count = len(measured.statistics)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, samples, at_once):
        drawn = draws.integers(count, size=(min(at_once, samples - start), count))
        if measured.from_sums is not None:
            yield measured.from_sums(_times_drawn(drawn) @ measured.statistics)
        else:
            yield np.array([measured.of(rows) for rows in drawn])


def _times_drawn(drawn: NDArray[np.int64]) -> FloatArray:
    """How often each sample holds each example: [samples, N]."""
    samples, count = drawn.shape
    flat = drawn + count * np.arange(samples)[:, None]
    times = np.bincount(flat.ravel(), minlength=samples * count)
    return times.reshape(samples, count).astype(np.float64)


def _percentiles(values: FloatArray, outside: float) -> Interval | None:
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - _UNDEFINED_AT_MOST) * len(values):
        return None
    low, high = np.quantile(defined, [outside, 1 - outside])
    return float(low), float(high)
