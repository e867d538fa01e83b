"""Intervals: they hold the true value as often as they say, and depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.bleu import bleu
from llmctl.metrics.bootstrap import interval, wilson_interval
from llmctl.metrics.exact_match import exact_match
from llmctl.metrics.repetition import repetition
from llmctl.metrics.rouge import rouge
from llmctl.metrics.squad import squad

MEAN = Number("mean", -np.inf, np.inf)
NAMES = ("sums", "rows")


def mean_of(values: FloatArray, by: str = "sums") -> Measured:
    statistics = np.stack([values, np.ones_like(values)], axis=1)
    if by == "sums":
        return Measured((MEAN,), statistics, from_sums=lambda s: s[..., :1] / s[..., 1:])
    return Measured((MEAN,), statistics, from_rows=lambda rows: rows[:, :1].mean(0))


@pytest.mark.parametrize("by", NAMES)
def test_of_a_mean_it_is_the_normal_interval(by: str) -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)

    found = interval(mean_of(values, by), samples=4000)["mean"]

    error = values.std() / 20
    expected = (values.mean() - 1.96 * error, values.mean() + 1.96 * error)
    # A quantile of 4,000 samples is off by about 0.04 standard errors.
    assert found == pytest.approx(expected, abs=0.15 * error)


def test_sums_and_rows_draw_the_same_examples() -> None:
    values = np.random.default_rng(1).normal(size=50)

    by_sums, by_rows = (interval(mean_of(values, by), samples=200)["mean"] for by in NAMES)

    assert by_sums == pytest.approx(by_rows, rel=1e-12)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    """Of 300 sets of 60, a 90% interval holds the true mean in 270, give or take 3.5 times 5.2;
    the percentile bootstrap of 60 is a little narrow, by half a per cent."""
    draws = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        low_high = interval(mean_of(draws.normal(1, 1, 60)), samples=400, confidence=0.9)["mean"]
        assert low_high is not None
        hits += low_high[0] <= 1 <= low_high[1]

    assert 250 <= hits <= 288


def test_the_seed_alone_decides_and_the_global_generator_does_not() -> None:
    measured = rouge(["a b c", "d e", "f g h", "i"], ["a b d", "d e", "f x h", "j"])
    np.random.seed(0)
    first = interval(measured)
    np.random.seed(1)

    assert interval(measured) == first
    assert interval(measured, seed=1) != first


def test_a_corpus_score_is_worked_out_anew_for_each_sample() -> None:
    hypotheses = ["the cat sat on the mat"] * 5 + ["the cat sat on a dog"] * 5
    measured = bleu(hypotheses, ["the cat sat on the mat"] * 10)

    found = interval(measured)["bleu"]

    value = measured.values()["bleu"]
    assert found is not None
    assert value is not None
    assert found[0] < value < found[1] < 100
    assert measured.of(np.arange(5, 10))[0] < found[0]


def test_a_rate_gets_wilsons_interval_even_where_all_are_right() -> None:
    all_right = exact_match(["a"] * 20, ["a"] * 20)
    some = exact_match(["a"] * 20, ["a"] * 17 + ["b"] * 3)

    assert interval(all_right)["exact_match"] == wilson_interval(20, 20)
    assert wilson_interval(20, 20)[0] < 0.9
    assert interval(some, confidence=0.9)["exact_match"] == wilson_interval(17, 20, 0.9)


def test_what_only_looks_like_a_rate_does_not() -> None:
    """No text repeats itself: each has the statistics of a wrong answer."""
    assert interval(repetition(["a b c d e", "f g h i j"]))["repetition"] == (0, 0)


@pytest.mark.parametrize(("right", "answers"), [(0, 10), (3, 10), (10, 10), (480, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilsons_interval_is_that_of_scipy(right: int, answers: int, confidence: float) -> None:
    expected = stats.binomtest(right, answers).proportion_ci(confidence, method="wilson")

    found = wilson_interval(right, answers, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_interval_where_the_number_often_does_not_exist() -> None:
    """1 of 20 rows counts: it is missing from a third of all samples."""
    rare = np.zeros((20, 2))
    rare[0] = 5, 1

    def of_sums(sums: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            result: FloatArray = sums[..., :1] / sums[..., 1:]
        return result

    assert interval(Measured((MEAN,), rare, from_sums=of_sums)) == {"mean": None}


def test_no_interval_of_a_single_example() -> None:
    assert interval(mean_of(np.array([1.5]))) == {"mean": None}


def test_a_rate_among_other_numbers_gets_wilsons_interval_on_its_own_scale() -> None:
    measured = squad(["a b", "c", "d"] * 5, [["a c"], ["c"], ["d"]] * 5)
    found = interval(measured)

    low, high = wilson_interval(10, 15)
    assert found["squad_em"] == (100 * low, 100 * high)
    assert found["squad_f1"] != found["squad_em"]
