"""The printed detectable drop is the one that a test finds four times in five."""

from __future__ import annotations

from math import comb
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest

from llmctl.evaluation.detectable import exact_detectable, normal_detectable


def power_by_counting(examples: int, noise: float, drop: float, level: float, most: float) -> float:
    """How often a drop is found: the chance of each outcome, added up where the gate fails."""
    worse, better = noise / 2 + drop, noise / 2
    total = 0.0
    for b in range(examples + 1):
        for c in range(examples - b + 1):
            p = binomtest(b, b + c, alternative="greater").pvalue if b + c else 1.0
            if p <= level and (b - c) / examples > most + 1e-12:
                ways = comb(examples, b) * comb(examples - b, c)
                total += ways * worse**b * better**c * (1 - worse - better) ** (examples - b - c)
    return total


@pytest.mark.parametrize(
    ("differing", "level", "most"), [(0, 0.05, 0.0), (5, 0.05, 0.0), (5, 0.025, 0.1), (9, 0.1, 0.0)]
)
def test_a_drop_of_that_size_has_power_of_four_fifths(
    differing: int, level: float, most: float
) -> None:
    size = exact_detectable(differing, 40, level, most)
    assert size is not None
    noise = (differing + 1) / 40
    assert power_by_counting(40, noise, size, level, most) == pytest.approx(0.8, abs=1e-6)


def test_of_few_examples_no_drop_is_found() -> None:
    assert exact_detectable(2, 4, 0.05, 0.0) is None


def test_more_examples_see_smaller_drops() -> None:
    sizes = [exact_detectable(count // 20, count, 0.05, 0.0) for count in (200, 1000, 50_000)]
    assert sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]
    assert sizes[2] is not None
    assert sizes[2] < 0.004


def test_the_scale_is_that_of_the_number() -> None:
    share = exact_detectable(30, 500, 0.05, 0.02)
    assert share is not None
    assert exact_detectable(30, 500, 0.05, 0.02, scale=100.0) == pytest.approx(100 * share)


@pytest.mark.parametrize(("level", "allowed"), [(0.05, 0.0), (0.05, 5.0), (0.005, 0.0)])
def test_of_normal_differences_it_is_two_quantiles_away(level: float, allowed: float) -> None:
    normal = NormalDist(0.0, 2.0)
    values = np.array([normal.inv_cdf((k + 0.5) / 10_000) for k in range(10_000)])
    expected = max(normal.inv_cdf(1 - level), allowed) + normal.inv_cdf(0.8)
    # 10,000 even steps end at 3.9 standard deviations.
    assert normal_detectable(values, level, allowed, 10**9) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("level", "allowed"), [(0.05, 0.0), (0.01, 0.0), (0.05, 0.02)])
def test_of_right_and_wrong_answers_it_is_that_of_the_exact_test(
    level: float, allowed: float
) -> None:
    # 600 of 10,000 answers are apart: differences of equal systems have this spread.
    normal = NormalDist(0.0, np.sqrt(600) / 10_000)
    values = np.array([normal.inv_cdf((k + 0.5) / 10_000) for k in range(10_000)])
    exact = exact_detectable(600, 10_000, level, allowed)
    # The exact test is a little stricter than a normal one: its outcomes are whole numbers.
    assert normal_detectable(values, level, allowed, 600) == pytest.approx(exact, rel=0.02)


def test_without_any_difference_nothing_is_known() -> None:
    assert normal_detectable(np.zeros(100), 0.05, 0.0, 0) is None
