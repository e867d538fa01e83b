"""Paired tests give the p-values of reference implementations and of worked-out cases."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from llmctl.evaluation.paired_intervals import difference_intervals, rate_difference_interval
from llmctl.evaluation.paired_tests import (
    NotComparable,
    PairedTest,
    Pairs,
    holm,
    mcnemar_test,
    randomisation_tests,
)

Array = NDArray[np.float64]


def means(sums: Array) -> Array:
    return sums[..., :1] / sums[..., 1:]


def pairs_of(first: list[float], second: list[float], *, by_rows: bool = False) -> Pairs:
    tables = [np.column_stack([values, np.ones(len(values))]) for values in (first, second)]
    if by_rows:
        return Pairs(tables[0], tables[1], from_rows=lambda rows: means(rows.sum(0)))
    return Pairs(tables[0], tables[1], from_sums=means)


def only(found: list[PairedTest | NotComparable]) -> PairedTest:
    (test,) = found
    assert isinstance(test, PairedTest)
    return test


FIRST = [3.0, 5.0, 2.0, 8.0, 6.0, 7.0, 4.0, 9.0, 1.0, 5.5]
SECOND = [2.5, 5.0, 2.5, 6.0, 4.0, 7.5, 3.0, 7.0, 1.5, 5.0]


def test_randomisation_comes_close_to_all_exchanges() -> None:
    gains = np.array(SECOND) - np.array(FIRST)
    signs = np.array(list(product([1, -1], repeat=len(gains))))
    all_of_them = (signs @ gains) / len(gains)
    exact = float((all_of_them <= gains.mean() + 1e-12).mean())
    test = only(randomisation_tests(pairs_of(FIRST, SECOND)))
    assert test.difference == pytest.approx(gains.mean())
    assert (test.examples, test.differing) == (10, 9)
    # 10,000 draws: three standard deviations are 3 sqrt(p (1 - p) / 10,000) < 0.01.
    assert test.p_lower == pytest.approx(exact, abs=0.01)
    assert test.p_lower + test.p_higher > 1  # both count the real outcome


def test_randomisation_agrees_with_sacrebleu() -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.significance import PairedTest as Sacre

    from llmctl.metrics.bleu import bleu

    draws = np.random.default_rng(7)
    true = [" ".join(draws.choice(list("abcdefgh"), 12)) for _ in range(60)]
    systems = [
        [" ".join(w if draws.random() > rate else "x" for w in line.split()) for line in true]
        for rate in (0.2, 0.24)
    ]
    theirs = Sacre(
        [("one", systems[0]), ("other", systems[1])], {"BLEU": BLEU(references=[true])}, None,
        test_type="ar", n_samples=10_000,
    )()[1]["BLEU"][1].p_value  # fmt: skip
    found = bleu(systems[0] + systems[1], true + true)
    pairs = Pairs(found.statistics[:60], found.statistics[60:], found.from_sums)
    ours = only(randomisation_tests(pairs))
    assert ours.p_two_sided == pytest.approx(theirs, abs=0.03)  # both draw 10,000 exchanges


def test_rows_and_sums_are_exchanged_alike() -> None:
    by_sums = only(randomisation_tests(pairs_of(FIRST, SECOND), seed=3, trials=500))
    by_rows = only(randomisation_tests(pairs_of(FIRST, SECOND, by_rows=True), seed=3, trials=500))
    assert by_sums.p_lower == by_rows.p_lower
    assert by_sums.difference == pytest.approx(by_rows.difference)


def test_the_seed_alone_decides_what_is_drawn() -> None:
    pairs = pairs_of(FIRST, SECOND)
    drawn = [only(randomisation_tests(pairs, seed=seed)).p_lower for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_equal_systems_are_certainly_not_different() -> None:
    test = only(randomisation_tests(pairs_of(FIRST, FIRST)))
    assert (test.difference, test.p_lower, test.p_higher, test.p_two_sided) == (0.0, 1.0, 1.0, 1.0)
    assert test.detectable(0.05, 0.0) is None


def test_the_order_of_adding_up_makes_no_difference() -> None:
    # Three tenths, added in two orders, differ in their last bit: an exchange that changes nothing
    # must still count as far as the real outcome.
    first, second = [0.1, 0.2, 0.3] * 40, [0.3, 0.1, 0.2] * 40
    test = only(randomisation_tests(pairs_of(first, second)))
    assert test.p_lower == pytest.approx(0.5, abs=0.05)
    assert test.p_lower + test.p_higher > 1


def test_a_number_that_most_exchanges_leave_undefined_is_not_tested() -> None:
    nothing = Pairs(
        np.ones((4, 1)), np.zeros((4, 1)), lambda sums: np.where(sums < 3, np.nan, sums)
    )
    assert all(isinstance(test, NotComparable) for test in randomisation_tests(nothing))


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (5, 0), (12, 4), (4, 12), (300, 260)])
def test_mcnemar_is_the_binomial_test_of_those_that_differ(worse: int, better: int) -> None:
    first = np.array([1.0] * worse + [0.0] * better + [1.0] * 50)
    second = np.array([0.0] * worse + [1.0] * better + [1.0] * 50)
    test = mcnemar_test(first, second, scale=100.0)
    apart = worse + better
    lower = binomtest(worse, apart, alternative="greater").pvalue if apart else 1.0
    higher = binomtest(better, apart, alternative="greater").pvalue if apart else 1.0
    assert test.p_lower == pytest.approx(lower, rel=1e-9)
    assert test.p_higher == pytest.approx(higher, rel=1e-9)
    assert test.difference == pytest.approx(100 * (better - worse) / len(first))
    assert test.differing == apart


@pytest.mark.parametrize(
    ("p_values", "significant"),
    [
        ([], []),
        ([0.05], [True]),
        ([0.051], [False]),
        ([0.02, 0.03], [True, True]),  # 0.02 <= 0.05/2, then 0.03 <= 0.05
        ([0.03, 0.03], [False, False]),  # 0.03 > 0.05/2: nothing after it counts
        ([0.2, 0.016, 0.025], [False, True, True]),
        ([0.026, 0.016, 0.2], [False, True, False]),
    ],
)
def test_holm_holds_the_chance_of_any_false_failure(
    p_values: list[float], significant: list[bool]
) -> None:
    assert holm(p_values, 0.05) == significant


def test_the_interval_of_a_mean_difference_is_that_of_the_differences() -> None:
    draws = np.random.default_rng(5)
    first = draws.normal(30, 10, 400)
    second = first - draws.normal(1, 3, 400)
    ((low, high),) = difference_intervals(pairs_of(first.tolist(), second.tolist()))  # type: ignore[misc]
    gains = second - first
    error = gains.std(ddof=1) / np.sqrt(400)
    # The bootstrap's own error with 1,000 samples is about a tenth of the standard error.
    assert low == pytest.approx(gains.mean() - 1.96 * error, abs=0.25 * error)
    assert high == pytest.approx(gains.mean() + 1.96 * error, abs=0.25 * error)


def test_rows_and_sums_have_alike_intervals() -> None:
    by_sums, by_rows = (
        difference_intervals(pairs_of(FIRST, SECOND, by_rows=rows), samples=4000)[0]
        for rows in (False, True)
    )
    assert by_sums == pytest.approx(by_rows, abs=0.1)  # other draws, 4,000 of them


def test_one_example_has_no_interval() -> None:
    assert difference_intervals(pairs_of([1.0], [2.0])) == [None]


def test_systems_that_agree_everywhere_may_still_differ() -> None:
    low, high = rate_difference_interval(0, 0, 100, scale=100.0)
    assert low == -high
    assert 2.0 < high < 3.0  # 1.96 sqrt(2/102 / 102) = 2.72 %
