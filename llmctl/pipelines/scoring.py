"""What metrics find about predictions, as the numbers and examples of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmctl.evaluation.outcome import Examples, Metric, signature_text
from llmctl.metrics.base import Measured
from llmctl.metrics.bootstrap import interval
from llmctl.metrics.entry import MetricEntry
from llmctl.section import Section

CONFIDENCE = 0.95
RESAMPLES = 1000
_SCORE_DIGITS = 6


@dataclass(frozen=True)
class AskedMetric:
    """A metric to measure.

    Attributes:
        name: as in the table of metrics, or the path of a user's own module.
        numbers: those of its numbers that are shown; none: all of them.
    """

    name: str
    entry: MetricEntry
    settings: Section
    numbers: tuple[str, ...] = ()

    def number_names(self) -> list[str]:
        """The names that gates may use."""
        return list(self.numbers) or [one.name for one in self.entry.numbers(self.settings)]


def described(
    name: str, measured: Measured, numbers: Sequence[str] = (), seed: int = 0
) -> list[Metric]:
    """The numbers of a metric with their 95 % intervals, ranges and signature.

    Args:
        name: of the metric; begins the signature.
        numbers: those that are wanted, in this order; none: all.
        seed: of the bootstrap.
    """
    between = interval(measured, RESAMPLES, CONFIDENCE, seed)
    values = measured.values()
    known = {number.name: number for number in measured.numbers}
    signature = signature_text(name, measured.signature)
    return [
        Metric(
            name=number.name,
            value=values[number.name],
            unit=number.unit or _unit(number.low, number.high),
            higher_is_better=number.higher_is_better,
            null_reason=None
            if values[number.name] is not None
            else measured.null_reasons.get(number.name, "it is not finite"),
            interval=between[number.name],
            low=number.low,
            high=number.high,
            n=len(measured.statistics),
            signature=signature,
        )
        for number in (known[wanted] for wanted in numbers or known)
    ]


def example_scores(measured: Measured, numbers: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Each number as it is of every example alone, where that means something; None where it does
    not exist."""
    if measured.from_sums is not None and not measured.not_resampled:
        table = np.asarray(measured.from_sums(measured.statistics))
        found = {one.name: table[:, place] for place, one in enumerate(measured.numbers)}
    else:
        found = {}
    for one in measured.numbers:
        if one.name in measured.rates:
            scale = one.high if math.isfinite(one.high) else 1.0
            found[one.name] = scale * measured.rates[one.name]
    return {
        name: [
            round(value, _SCORE_DIGITS) if math.isfinite(value) else None
            for value in found[name].tolist()
        ]
        for name in numbers or found
        if name in found
    }


def examples_of(
    columns: Mapping[str, Sequence[Any]],
    asked: Sequence[AskedMetric],
    measured: Sequence[Measured],
) -> Examples:
    """What is kept of each example, so that it can be measured again without a model.

    Args:
        columns: `prediction`, and `references` and `probabilities` where there are any, [N] each.
    """
    scores: dict[str, list[Any]] = {}
    for one, found in zip(asked, measured, strict=True):
        scores |= example_scores(found, one.numbers)
    count = len(columns["prediction"])
    rows = [
        {
            **{name: values[row] for name, values in columns.items()},
            "scores": {name: values[row] for name, values in scores.items()},
        }
        for row in range(count)
    ]
    measures = {
        one.name: {
            "numbers": list(one.numbers) or [number.name for number in found.numbers],
            "settings": one.settings.model_dump(mode="json", exclude_defaults=True),
        }
        for one, found in zip(asked, measured, strict=True)
    }
    return Examples(rows, measures)


def notes_of(asked: AskedMetric, measured: Measured) -> list[str]:
    without_interval = [f"no interval: {measured.not_resampled}"] if measured.not_resampled else []
    return [f"{asked.entry.name}: {note}" for note in (*measured.notes, *without_interval)]


def measure(
    asked: Sequence[AskedMetric], inputs: Callable[[MetricEntry], Sequence[Any]],
    references: Sequence[Any],
) -> list[Measured]:  # fmt: skip
    """Every metric in turn.

    Args:
        inputs: the predictions that a metric takes.

    Raises:
        UsageError, DataError: what the metrics raise.
    """
    return [
        one.entry.measure(
            inputs(one.entry), references if one.entry.needs_references else [], one.settings
        )
        for one in asked
    ]


def _unit(low: float, high: float) -> str:
    """The range as a unit, where there is no other.

    >>> _unit(0.0, 1.0), _unit(0.0, math.inf)
    ('0-1', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{low:g}-{high:g}" if low >= 0 else f"{low:g} to {high:g}"
