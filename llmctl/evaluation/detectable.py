"""The smallest true drop that a paired test finds four times in five.

A gate that never fails proves nothing: beside every significance gate stands what it could see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

POWER = 0.8
_DEVIATIONS = 9.0
"""Counts farther than this from their mean, in standard deviations, are left out."""
_HALVINGS = 40


def normal_detectable(
    differences: FloatArray, level: float, allowed: float, differing: int
) -> float | None:
    """For a number whose differences between equal systems were drawn by a randomisation test.

    The gate fails from max(the test's critical value, allowed) on; a true drop lies so far above
    it that four in five measured ones do too, each normal with the spread of those drawn. A drop
    brings noise of its own: it is taken to come as more differences of the size of those seen, all
    of them to the worse, as in `exact_detectable`.

    Args:
        differences: of the trials, [T].
        allowed: the drop that the gate allows in any case.
        differing: examples on which the systems differ.

    Returns:
        None where no trial differs: nothing is known of the spread.

    >>> normal = np.array([NormalDist().inv_cdf((k + 0.5) / 10_000) for k in range(10_000)])
    >>> round(normal_detectable(normal, 0.05, 0.0, differing=10**9), 2)  # 1.645 + 0.842
    2.49
    """
    spread = float(np.sqrt((differences**2).mean()))
    if not spread:
        return None
    critical = float(np.quantile(np.abs(differences), 1 - min(1.0, 2 * level)))
    beyond = NormalDist().inv_cdf(POWER) * spread
    drop = 0.0
    for _ in range(_HALVINGS):  # each step moves by a small share of the one before
        noise = math.sqrt(1 + drop / (spread * math.sqrt(differing)))
        drop = max(critical * noise, allowed) + beyond * noise
    return drop


def exact_detectable(
    differing: int, examples: int, level: float, allowed: float, scale: float = 1.0
) -> float | None:
    """For McNemar's exact test, by its exact power.

    The systems are taken to differ by chance on as many examples as they were seen to (one more,
    for luck), half of them each way; a true drop comes on top, all of it to the worse. That is more
    noise than most drops bring, so the power is 0.8 or higher.

    Args:
        differing: examples that exactly one system had right, of `examples`.
        allowed: the share that the gate allows the number to drop by.

    Returns:
        A share times `scale`; None where even the largest drop is found less often.

    >>> round(exact_detectable(60, 1000, 0.05, 0.0), 3)
    0.024
    """
    noise = min((differing + 1) / examples, 1.0)
    power = _power(examples, noise, level, allowed)
    low, high = 0.0, 1.0 - noise
    if power(high) < POWER:
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return scale * high


def _power(examples: int, noise: float, level: float, allowed: float) -> Callable[[float], float]:
    """How often a drop is found, by its size."""
    from scipy.special import betainc, gammaln

    def power(drop: float) -> float:
        apart = min(noise + drop, 1.0)
        mean = examples * apart
        reach = _DEVIATIONS * math.sqrt(mean) + _DEVIATIONS
        counts = np.arange(
            max(1, math.floor(mean - reach)), min(examples, math.ceil(mean + reach)) + 1
        )
        if apart == 1.0:
            chances = (counts == examples).astype(np.float64)
        else:
            chances = np.exp(
                gammaln(examples + 1) - gammaln(counts + 1) - gammaln(examples - counts + 1)
                + counts * math.log(apart) + (examples - counts) * math.log1p(-apart)
            )  # fmt: skip
        beyond = np.floor((counts + allowed * examples) / 2 + 1e-9) + 1
        needed = np.maximum(_critical(counts, level), beyond)
        possible = needed <= counts
        found = np.zeros(len(counts))
        found[possible] = betainc(
            needed[possible], counts[possible] - needed[possible] + 1,
            (noise / 2 + drop) / (noise + drop),
        )  # fmt: skip
        return float(chances @ found)

    return power


def _critical(counts: NDArray[np.int64], level: float) -> NDArray[np.int64]:
    """Of so many tosses, from how many heads on the one-sided exact test is significant; one more
    than there are where it never is.

    >>> _critical(np.array([4, 5, 60]), 0.05).tolist()
    [5, 5, 37]
    """
    from scipy.special import betainc

    low, high = counts // 2, counts + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        significant = betainc(np.maximum(middle, 1), counts - middle + 1, 0.5) <= level
        low, high = np.where(significant, low, middle), np.where(significant, middle, high)
    return np.asarray(high)
