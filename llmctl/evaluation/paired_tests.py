"""Tests of two systems on the same examples: is one worse, or is the difference chance?

Both tests ask what would have been found had the two systems been the same, so that it is a toss
of a coin which of them gave which answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmctl.evaluation.detectable import exact_detectable, normal_detectable
from llmctl.randomness import derive_seed

FloatArray = NDArray[np.float64]

TRIALS = 10_000
_COINS_AT_ONCE = 1 << 22
_UNDEFINED_AT_MOST = 0.05
_ROUNDING = 1e-10
"""Sums of the same rows in another order differ by less, as a share of the number."""


class NotComparable(Exception):
    """Why two results cannot be held against each other; a sentence without its full stop."""


@dataclass(frozen=True)
class Pairs:
    """Two systems, the earlier one first, on the same N examples, measured in one call.

    Attributes:
        first, second: statistics of each example, [N, K].
        from_sums: numbers [..., M] from summed statistics [..., K]; None where sums do not do.
        from_rows: numbers [M] from statistics of examples [N, K]; needed where `from_sums` is None.
    """

    first: FloatArray
    second: FloatArray
    from_sums: Callable[[FloatArray], FloatArray] | None = None
    from_rows: Callable[[FloatArray], FloatArray] | None = None

    def of(self, rows: FloatArray) -> FloatArray:
        """The numbers [M] of some rows of statistics."""
        if self.from_sums is not None:
            return self.from_sums(rows.sum(0))
        assert self.from_rows is not None
        return self.from_rows(rows)


@dataclass(frozen=True)
class PairedTest:
    """What a test found about one number.

    Attributes:
        difference: second minus first.
        examples, differing: how many there are, and on how many the systems differ.
        p_lower, p_higher: the chance of a difference at least as far down, or up, between systems
            that are the same.
        method: the name of the test.
        least_p: the smallest p that so many examples can give.
        detectable: (level, allowed) → the smallest true change, a positive number, that is found
            with power 0.8 by a one-sided test at that level which also asks for more than
            `allowed`; None where nothing is known of it.
    """

    difference: float
    examples: int
    differing: int
    p_lower: float
    p_higher: float
    method: str
    least_p: float
    detectable: Callable[[float, float], float | None] = field(repr=False)

    @property
    def p_two_sided(self) -> float:
        return min(1.0, 2 * min(self.p_lower, self.p_higher))


def randomisation_tests(
    pairs: Pairs,
    seed: int = 0,
    trials: int = TRIALS,
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[PairedTest | NotComparable]:
    """Approximate randomisation (Noreen 1989; Riezler & Maxwell 2005), for each of M numbers.

    In each trial the two systems exchange a random half of their answers; p is the share of trials,
    the real outcome counted as one, whose difference is at least as large.

    Args:
        on_progress: called with the trials that were just done.

    >>> pairs = Pairs(np.zeros((9, 1)), np.ones((9, 1)), lambda sums: sums / 9)
    >>> (test,) = randomisation_tests(pairs)
    >>> test.difference, round(test.p_higher, 3), test.p_lower  # 1/512 of all exchanges
    (1.0, 0.002, 1.0)
    """
    before, after = pairs.of(pairs.first), pairs.of(pairs.second)
    differs = (pairs.first != pairs.second).any(1)
    parts = []
    for part in _exchanged(pairs, np.flatnonzero(differs), seed, trials):
        parts.append(part)
        on_progress(len(part))
    drawn = np.concatenate(parts)
    found: list[PairedTest | NotComparable] = []
    for number, values in enumerate(drawn.T):
        known = values[np.isfinite(values)]
        difference = float(after[number] - before[number])
        if not np.isfinite(difference) or len(known) < (1 - _UNDEFINED_AT_MOST) * trials:
            found.append(NotComparable("it does not exist on many choices of the examples"))
            continue
        slack = _ROUNDING * max(abs(before[number]), abs(after[number]))
        unknown = trials - len(known)
        lower = 1 + unknown + int((known <= difference + slack).sum())
        higher = 1 + unknown + int((known >= difference - slack).sum())
        found.append(
            PairedTest(
                difference, len(differs), int(differs.sum()),
                p_lower=lower / (1 + trials), p_higher=higher / (1 + trials),
                method=f"approximate randomisation, {trials:,} trials",
                least_p=max(1 / (1 + trials), 0.5 ** len(differs)),
                detectable=lambda level, allowed, known=known: normal_detectable(  # type: ignore[misc]
                    known, level, allowed, int(differs.sum())
                ),
            )
        )  # fmt: skip
    return found


def mcnemar_test(first: FloatArray, second: FloatArray, scale: float = 1.0) -> PairedTest:
    """The exact test of McNemar (1947) for the share of right answers.

    Only examples that one system has right and the other wrong tell them apart; were the systems
    the same, each of those would be a toss of a coin.

    Args:
        first, second: 1 for each right answer and 0 for each wrong one, [N].
        scale: what a share of 1 is written as, such as 100.

    >>> test = mcnemar_test(np.ones(9), np.array([0.0] * 5 + [1.0] * 4))
    >>> round(test.difference, 3), test.p_lower  # five of five: 1/32
    (-0.556, 0.03125)
    """
    from scipy.special import betainc

    count = len(first)
    worse, better = int((first > second).sum()), int((second > first).sum())

    def at_least(of_one: int, of_other: int) -> float:
        return float(betainc(of_one, of_other + 1, 0.5)) if of_one else 1.0

    return PairedTest(
        scale * (better - worse) / count, count, worse + better,
        p_lower=at_least(worse, better), p_higher=at_least(better, worse),
        method="McNemar's exact test", least_p=0.5**count,
        detectable=lambda level, allowed: exact_detectable(
            worse + better, count, level, allowed / scale, scale
        ),
    )  # fmt: skip


def holm(p_values: list[float], level: float) -> list[bool]:
    """Which of several tests are significant, with the chance of any false one held to `level`.

    Holm (1979): the smallest p is held against level/m, the next against level/(m-1), and so on up
    to the first that is larger.

    >>> holm([0.04, 0.01, 0.03], 0.05)
    [False, True, False]
    """
    significant = [False] * len(p_values)
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > level / (len(p_values) - done):
            break
        significant[place] = True
    return significant


def _exchanged(
    pairs: Pairs, places: NDArray[np.int64], seed: int, trials: int
) -> Iterator[FloatArray]:
    """Second minus first after random exchanges, [some, M] at a time. Only rows that differ are
    exchanged: the others make no difference."""
    coins = np.random.default_rng(derive_seed(seed, "exchange"))
    at_once = max(1, _COINS_AT_ONCE // max(1, len(places)))
    gains = pairs.second[places] - pairs.first[places]
    sums = pairs.first.sum(0), pairs.second.sum(0)
    for start in range(0, trials, at_once):
        count = min(at_once, trials - start)
        packed = coins.integers(256, size=(count, -(-len(places) // 8)), dtype=np.uint8)
        heads = np.unpackbits(packed, axis=1, count=len(places))
        if pairs.from_sums is not None:
            moved = heads.astype(np.float64) @ gains
            yield pairs.from_sums(sums[1] - moved) - pairs.from_sums(sums[0] + moved)
        else:
            yield np.array([_exchange_rows(pairs, places[head == 1]) for head in heads])


def _exchange_rows(pairs: Pairs, places: NDArray[np.int64]) -> FloatArray:
    first, second = pairs.first.copy(), pairs.second.copy()
    first[places], second[places] = pairs.second[places], pairs.first[places]
    return pairs.of(second) - pairs.of(first)
