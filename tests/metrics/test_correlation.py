from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples

from llmctl.errors import DataError
from llmctl.metrics.correlation import correlation


def scipy_and_scikit_learn(predictions: list[Any], references: list[Any]) -> Numbers:
    from scipy import stats
    from sklearn import metrics

    return {
        "pearson": float(stats.pearsonr(predictions, references)[0]),
        "spearman": float(stats.spearmanr(predictions, references)[0]),
        "mean_squared_error": metrics.mean_squared_error(references, predictions),
        "mean_absolute_error": metrics.mean_absolute_error(references, predictions),
    }


def test_every_number_is_that_of_scipy_and_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    references = generator.random(200) * 5
    predictions = references + generator.normal(size=200)

    assert_resamples(correlation, predictions.tolist(), references.tolist(), scipy_and_scikit_learn)


def test_ties_have_the_mean_of_their_ranks_as_in_scipy() -> None:
    generator = np.random.default_rng(2)
    predictions, references = generator.integers(0, 4, (2, 60)).tolist()

    assert_resamples(correlation, predictions, references, scipy_and_scikit_learn)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e9, 1e200])
def test_tiny_and_huge_values_correlate_as_others_do(scale: float) -> None:
    expected = correlation([1.0, 2.0, 4.0], [1.0, 3.0, 2.0]).values()["pearson"]
    found = correlation([scale, 2 * scale, 4 * scale], [1.0, 3.0, 2.0]).values()

    assert_equal(found, {"pearson": expected})


def test_numbers_are_float64() -> None:
    # Two predictions that float32 cannot tell apart.
    found = correlation([1.0, 1.0 + 1e-9, 2.0], [0.0, 1.0, 2.0]).values()

    assert found["spearman"] == 1.0


def test_a_constant_answer_has_no_correlation() -> None:
    measured = correlation([2.5, 2.5], [1, 2])

    assert measured.values() == {
        "pearson": None, "spearman": None, "mean_squared_error": 1.25, "mean_absolute_error": 1.0,
    }  # fmt: skip
    assert "all equal" in measured.null_reasons["pearson"]


def test_texts_that_spell_numbers_count_as_them() -> None:
    assert correlation(["3.8", " 2 "], [3.8, 2]).values()["mean_absolute_error"] == 0.0


@pytest.mark.parametrize("bad", ["high", None, math.nan, math.inf, True, [1.0]])
def test_rows_that_are_no_finite_numbers_are_refused(bad: Any) -> None:
    with pytest.raises(DataError, match=r"prediction 2 is .*; a finite number was expected"):
        correlation([1.0, bad], [1.0, 2.0])
