from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples

from llmctl.errors import DataError
from llmctl.metrics.calibration import calibration

NAMES = ["a", "b", "c"]


def by_definition(rows: list[Any], references: list[Any], bins: int = 15) -> Numbers:
    """Guo et al. 2017, equations 2 and 3, bin by bin; the rest is scikit-learn's."""
    from sklearn import metrics

    names = sorted(rows[0])
    values = np.array([[row[name] for name in names] for row in rows])
    error = 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = [n for n, row in enumerate(values) if low < row.max() <= high]
        if inside:
            accuracy = np.mean([names[values[n].argmax()] == references[n] for n in inside])
            confidence = np.mean([values[n].max() for n in inside])
            error += len(inside) / len(rows) * abs(accuracy - confidence)
    brier = metrics.brier_score_loss(
        references,
        values if len(names) > 2 else values[:, 1],
        labels=names,
        pos_label=None if len(names) > 2 else names[1],
    )
    loss = metrics.log_loss(references, values, labels=names)
    return {"ece": error, "brier_score": float(brier), "negative_log_likelihood": float(loss)}


def drawn(classes: int, rows: int, seed: int) -> tuple[list[dict[str, float]], list[str]]:
    generator = np.random.default_rng(seed)
    chances = generator.dirichlet(np.full(classes, 0.7), rows)
    references = [
        NAMES[generator.choice(classes, p=row**0.5 / (row**0.5).sum())] for row in chances
    ]
    return [dict(zip(NAMES, row, strict=False)) for row in chances.tolist()], references


@pytest.mark.parametrize("classes", [2, 3])
def test_every_number_is_that_of_its_definition(classes: int) -> None:
    assert_resamples(calibration, *drawn(classes, 200, classes), by_definition)


@pytest.mark.parametrize("bins", [1, 2, 10])
def test_the_number_of_bins_is_chosen(bins: int) -> None:
    assert_resamples(
        lambda p, r: calibration(p, r, bins=bins), *drawn(3, 60, 5),
        lambda p, r: by_definition(p, r, bins),
    )  # fmt: skip


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    # Two bins, (0, 0.5] and (0.5, 1]. At 0.5: one of two right. At 0.75: one of two right.
    rows = [{"a": 0.5, "b": 0.5}] * 2 + [{"a": 0.75, "b": 0.25}] * 2

    found = calibration(rows, ["a", "b", "a", "b"], bins=2).values()
    assert_equal(found, {"ece": 0.5 * 0.0 + 0.5 * 0.25})


def test_single_values_are_probabilities_of_the_positive_class() -> None:
    expected = calibration([{"0": 0.2, "1": 0.8}, {"0": 0.7, "1": 0.3}], [1, 1]).values()

    assert_equal(calibration([0.8, 0.3], [1, 1]).values(), expected)
    assert_equal(calibration([0.2, 0.7], [1, 1], positive=0).values(), {"ece": expected["ece"]})


def test_a_right_label_of_probability_nothing_has_no_likelihood() -> None:
    measured = calibration([{"a": 1.0, "b": 0.0}, {"a": 0.9, "b": 0.1}], ["b", "a"])

    assert measured.values()["negative_log_likelihood"] is None
    assert "probability 0" in measured.null_reasons["negative_log_likelihood"]
    only_second = dict(zip(measured.values(), measured.of(np.array([1])), strict=True))
    assert only_second["negative_log_likelihood"] == pytest.approx(-np.log(0.9))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"a": 2.5, "b": -1.5}, "from -1.5 to 2.5 that sum to 1"),
        ({"a": 0.5, "b": 0.4}, "sum to 0.9"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(row: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=f"prediction 2 has values .*{words}"):
        calibration([{"a": 0.5, "b": 0.5}, row], ["a", "a"])


def test_rounded_probabilities_are_taken() -> None:
    assert calibration([{"a": 0.333, "b": 0.333, "c": 0.333}], ["a"]).values()["ece"] is not None
