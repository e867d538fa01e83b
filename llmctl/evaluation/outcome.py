"""What an evaluation hands back: named numbers, how they were made, what to hold them against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One named number.

    Attributes:
        value: None where the number does not exist (NaN, infinite, unknown); `null_reason` then
            says why.
        higher_is_better: None for plain counts.
        interval: 95 %: low and high; None where there is none.
        low, high: its range; infinite where it has no bound.
        n: the examples that it was measured on; None where they are not what is counted.
        signature: what this number alone depends on; None: the evaluation's signature.
    """

    name: str
    value: float | int | None
    unit: str = ""
    higher_is_better: bool | None = None
    null_reason: str | None = None
    interval: tuple[float, float] | None = None
    low: float = -math.inf
    high: float = math.inf
    n: int | None = None
    signature: str | None = None

    def as_json(self) -> dict[str, Any]:
        bounds = [bound if math.isfinite(bound) else None for bound in (self.low, self.high)]
        return {
            "value": self.value,
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "null_reason": self.null_reason,
            "interval": None if self.interval is None else list(self.interval),
            "range": bounds,
            "n": self.n,
            "signature": self.signature,
        }


def finite_metric(
    name: str, value: float, unit: str, *, higher_is_better: bool | None, null_reason: str
) -> Metric:
    """A metric that is null, with a reason, where its value is NaN or infinite.

    >>> finite_metric("loss", float("nan"), "", higher_is_better=False, null_reason="NaN").value
    """
    if math.isfinite(value):
        return Metric(name, value, unit, higher_is_better)
    return Metric(name, None, unit, higher_is_better, null_reason)


@dataclass(frozen=True)
class Yardstick:
    """What a simple guesser would reach on the same tokens, and how it guesses.

    Attributes:
        metric: the model's number that it is to be held against.
        details: numbers about it, such as its training tokens.
    """

    name: str
    metric: str
    value: float
    how: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Examples:
    """What was found for each example: enough to test two systems against each other later.

    Attributes:
        rows: one for each example, in order, as JSON can hold them.
        measures: how the numbers follow from the rows: of each metric the `numbers` that were
            asked for and the `settings` it was called with.
    """

    rows: Sequence[Mapping[str, Any]]
    measures: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """The numbers of one evaluation, before gates are held against them.

    Attributes:
        metrics: in the order in which they are shown; the first is the main one.
        signature: what the numbers depend on, in order; see `signature_text`.
        undecided: why no verdict can be given, whatever the gates say; None when one can.
        model, tokenizer, data: descriptions for the report. `data["sha256"]` tells whether two
            evaluations were made on the same examples.
        resolved: settings as they came out where they were left open.
        examples: None where single examples are not kept.
        decoding: how predictions were made, as far as it is known: other decoding, other numbers.
    """

    metrics: list[Metric]
    signature: Mapping[str, object]
    yardsticks: list[Yardstick] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: str | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)
    examples: Examples | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        return next((metric for metric in self.metrics if metric.name == name), None)


def signature_text(task: str, parts: Mapping[str, object]) -> str:
    """What a number depends on, in one line, in the manner of sacreBLEU.

    Two numbers may be compared when their lines are equal.

    >>> signature_text("perplexity", {"window": "rolling", "context": 0})
    'perplexity|window:rolling|context:0'
    """
    return "|".join([task, *(f"{name}:{value}" for name, value in parts.items())])
