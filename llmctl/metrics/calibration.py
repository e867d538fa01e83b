"""Whether probabilities mean what they say: calibration error, Brier score, log loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.errors import DataError
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.labels import Label
from llmctl.metrics.probabilities import class_table
from llmctl.section import Section

ROUNDING = 0.01
"""How far from 1 the probabilities of a row may sum: files hold rounded ones."""

NUMBERS = (
    Number("ece", 0.0, 1.0, higher_is_better=False),
    Number("brier_score", 0.0, 2.0, higher_is_better=False),
    Number("negative_log_likelihood", 0.0, math.inf, higher_is_better=False, unit="nats"),
)


class CalibrationSettings(Section):
    """Options of `calibration`."""

    bins: int = Field(15, ge=1, description="Bins of equal width over the confidence, 0 to 1")
    labels: list[Label] | None = Field(
        None, description="The classes, in the order of values where rows are lists of them"
    )
    positive: Label | None = Field(
        None,
        description="Of two classes, the one that single values are of; none: the last in order, "
        "1 of 0 and 1",
    )


def calibration(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    bins: int = 15,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
) -> Measured:
    """How far probabilities are from how often they come true.

    `ece`, the expected calibration error (Guo et al. 2017, section 2): rows are put in `bins` of
    equal width by the probability of their likeliest class, (0, 1/bins], (1/bins, 2/bins], …; the
    difference between a bin's accuracy and its mean probability, averaged over rows. It depends on
    the number of bins and is biased upwards on few rows.

    `brier_score`, the mean squared distance to what was right: with two classes that of the
    positive one (0 to 1), with more the sum over classes (0 to 2), as scikit-learn has it.

    `negative_log_likelihood`, the mean of -log p(right class), scikit-learn's `log_loss`; it does
    not exist where a right class was given probability 0.

    Args:
        predictions, references, labels, positive: see `class_table`. Probabilities of a row sum to
            1, rounding apart; they are used as they are.

    Raises:
        UsageError, DataError: see `class_table`; a row of values that are no probabilities.

    >>> found = calibration([{"a": 0.9, "b": 0.1}, {"a": 0.9, "b": 0.1}], ["a", "b"]).values()
    >>> round(found["ece"], 12), round(found["brier_score"], 12)
    (0.4, 0.41)
    """
    table = class_table(predictions, references, labels, positive)
    _check_probabilities(table.values)
    each = np.arange(len(table.actual))
    best = table.values.argmax(1)
    confidence = table.values[each, best]
    edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    places = np.digitize(confidence, edges, right=True)
    given = table.values[each, table.actual]
    statistics = np.zeros((len(each), bins + 4))
    statistics[each, places] = (best == table.actual) - confidence
    impossible = given <= 0
    statistics[:, -4] = _squared_distance(table.values, table.actual, table.positive)
    statistics[:, -3] = -np.log(np.where(impossible, 1.0, given))
    statistics[:, -2], statistics[:, -1] = impossible, 1.0
    return Measured(
        NUMBERS,
        statistics,
        from_sums=_numbers,
        signature={
            "bins": bins,
            "brier": "sum" if table.positive is None else "positive",
            "version": 1,
        },
        null_reasons={"negative_log_likelihood": "a right label was given probability 0"},
    )


def _numbers(sums: FloatArray) -> FloatArray:
    brier, loss, impossible, number = np.moveaxis(sums[..., -4:], -1, 0)
    ece = np.abs(sums[..., :-4]).sum(-1) / number
    loss = np.where(impossible > 0, np.nan, loss / number)
    return np.stack([ece, brier / number, loss], axis=-1)


def _squared_distance(values: FloatArray, actual: Any, positive: int | None) -> FloatArray:
    truth = np.zeros_like(values)
    truth[np.arange(len(actual)), actual] = 1.0
    squared = (values - truth) ** 2
    return np.asarray(squared.sum(1) if positive is None else squared[:, positive])


def _check_probabilities(values: FloatArray) -> None:
    sums = values.sum(1)
    wrong = (values < 0).any(1) | (values > 1).any(1) | (np.abs(sums - 1) > ROUNDING)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"prediction {row + 1} has values from {values[row].min():g} to "
            f"{values[row].max():g} that sum to {sums[row]:g}; probabilities from 0 to 1 that sum "
            "to 1 were expected",
            hint="turn scores (logits) into probabilities with a softmax; `auc` takes any scores",
        )


CALIBRATION = MetricEntry(
    "calibration",
    "probabilities",
    CalibrationSettings,
    lambda _: NUMBERS,
    lambda predictions, references, settings: calibration(
        predictions, references, bins=settings.bins, labels=settings.labels,
        positive=settings.positive,
    ),
    "expected calibration error, Brier score and log loss of classifiers' probabilities",
)  # fmt: skip
