"""Two systems on the same examples: measured together, and tested against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmctl.evaluation.paired_tests import (
    NotComparable,
    PairedTest,
    Pairs,
    mcnemar_test,
    randomisation_tests,
)
from llmctl.evaluation.perplexity import LIKELIHOOD, LIKELIHOOD_NUMBERS, likelihood_pairs
from llmctl.evaluation.stored import same_number
from llmctl.metrics import METRICS
from llmctl.metrics.base import Measured
from llmctl.metrics.hf_user_module import is_user_module

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class System:
    """One of two: a row for each example, and the numbers that were stored of it.

    Attributes:
        measures: as in `llmctl.evaluation.outcome.Examples`.
        values: by number.
    """

    name: str
    rows: Rows
    measures: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class PairedMetric:
    """A metric measured on both systems in one call.

    Attributes:
        numbers: the names of the M numbers.
        rates: for shares of right answers their scale, and 1 for each right answer of the first
            system and of the second.
    """

    numbers: tuple[str, ...]
    pairs: Pairs
    rates: Mapping[str, tuple[float, Any, Any]]


def paired_tests(
    first: System, second: System, numbers: Sequence[str], seed: int = 0
) -> dict[str, PairedTest | NotComparable]:
    """A test for each number, or why there is none."""
    found: dict[str, PairedTest | NotComparable] = {}
    for metric in paired_metrics(first, second, numbers):
        if isinstance(metric, PairedMetric):
            found |= number_tests(metric, numbers, seed)
        else:
            found |= dict.fromkeys(*metric)
    missing = NotComparable("no metric that was kept with the examples gives it")
    return {name: found.get(name, missing) for name in numbers}


def paired_metrics(
    first: System, second: System, numbers: Sequence[str]
) -> Iterator[PairedMetric | tuple[list[str], NotComparable]]:
    """Every metric that gives some of the numbers; those that cannot be paired with the reason."""
    for name, how in second.measures.items():
        wanted = [number for number in how["numbers"] if number in numbers]
        if not wanted:
            continue
        try:
            metric = _paired(name, how, first, second)
            _check_values(metric, wanted, first, second)
            yield metric
        except NotComparable as reason:
            yield wanted, reason


def _paired(name: str, how: Mapping[str, Any], first: System, second: System) -> PairedMetric:
    """
    Raises:
        NotComparable: the examples differ, or the metric does not allow it.
    """
    if len(first.rows) != len(second.rows):
        raise NotComparable(f"there were {len(first.rows):,} examples, now {len(second.rows):,}")
    if name == LIKELIHOOD:
        return PairedMetric(LIKELIHOOD_NUMBERS, likelihood_pairs(first.rows, second.rows, how), {})
    if is_user_module(name) or name not in METRICS:
        raise NotComparable("a module of one's own scores all examples at once")
    return _together(_measure(name, how, first, second), len(first.rows))


def _measure(name: str, how: Mapping[str, Any], first: System, second: System) -> Measured:
    """In one call: statistics may depend on what labels and scores the data holds."""
    entry = METRICS.get(name)
    settings = entry.settings(**how["settings"])
    column = "prediction"
    if entry.kind == "probabilities" and all(
        "probabilities" in one.rows[0] for one in (first, second)
    ):
        column = "probabilities"
    said = [row[column] for one in (first, second) for row in one.rows]
    if not entry.needs_references:
        return entry.measure(said, [], settings)
    wanted = [[row.get("references") for row in one.rows] for one in (first, second)]
    if wanted[0] != wanted[1]:
        raise NotComparable("the references differ")
    return entry.measure(said, wanted[0] + wanted[1], settings)


def _together(measured: Measured, count: int) -> PairedMetric:
    if measured.not_resampled:
        raise NotComparable(f"it cannot be tested on pairs: {measured.not_resampled}")
    statistics = measured.statistics
    high = {number.name: number.high for number in measured.numbers}
    rates = {
        name: (high[name] if math.isfinite(high[name]) else 1.0, right[:count], right[count:])
        for name, right in measured.rates.items()
    }
    return PairedMetric(
        tuple(number.name for number in measured.numbers),
        Pairs(statistics[:count], statistics[count:], measured.from_sums, measured.from_rows),
        rates,
    )


def _check_values(
    metric: PairedMetric, wanted: Sequence[str], first: System, second: System
) -> None:
    """
    Raises:
        NotComparable: the kept examples do not give the stored numbers: one of them was changed.
    """
    for system, rows in ((first, metric.pairs.first), (second, metric.pairs.second)):
        found = dict(zip(metric.numbers, np.atleast_1d(metric.pairs.of(rows)), strict=True))
        for name in wanted:
            stored = system.values.get(name)
            if stored is not None and not same_number(stored, float(found[name])):
                raise NotComparable(
                    f"the examples of {system.name} give {float(found[name])!r}, but {stored!r} "
                    "is written: one of them was changed"
                )


def number_tests(
    metric: PairedMetric, numbers: Sequence[str], seed: int = 0
) -> dict[str, PairedTest | NotComparable]:
    found: dict[str, PairedTest | NotComparable] = {
        name: mcnemar_test(one, other, scale)
        for name, (scale, one, other) in metric.rates.items()
        if name in numbers
    }
    others = [name for name in metric.numbers if name in numbers and name not in found]
    if others:
        drawn = randomisation_tests(metric.pairs, seed)
        by_name = dict(zip(metric.numbers, drawn, strict=True))
        found |= {name: by_name[name] for name in others}
    return found
