"""Two systems on the same examples: measured together, and tested against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmctl import console
from llmctl.evaluation.paired_tests import (
    TRIALS,
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
from llmctl.tasks import TASKS

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
        not_tested: why its examples cannot be exchanged; empty where they can.
    """

    numbers: tuple[str, ...]
    pairs: Pairs
    rates: Mapping[str, tuple[float, Any, Any]]
    not_tested: str = ""


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
            found = _paired(name, how, first, second)
        except NotComparable as reason:
            yield wanted, reason
            continue
        for metric in found:
            given = [number for number in metric.numbers if number in wanted]
            why = metric.not_tested or _changed_values(metric, given, first, second)
            if why:
                yield given, NotComparable(why)
            else:
                yield metric


def _paired(name: str, how: Mapping[str, Any], first: System, second: System) -> list[PairedMetric]:
    """
    Raises:
        NotComparable: the examples differ, or they cannot be measured again.
    """
    if len(first.rows) != len(second.rows):
        raise NotComparable(f"there were {len(first.rows):,} examples, now {len(second.rows):,}")
    if name == LIKELIHOOD:
        pairs = likelihood_pairs(first.rows, second.rows, how)
        return [PairedMetric(LIKELIHOOD_NUMBERS, pairs, {})]
    if name in TASKS:
        from llmctl.pipelines.task_pairs import measured_again

        rows = [*first.rows, *second.rows]
        return [_halves(one) for one in measured_again(how["settings"], rows)]
    if is_user_module(name) or name not in METRICS:
        raise NotComparable("a module of one's own scores all examples at once")
    return [_halves(_measure(name, how, first, second))]


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


def _halves(measured: Measured) -> PairedMetric:
    """Two systems that were measured together; a task may have left rows out on both sides."""
    why = measured.not_resampled
    statistics, count = measured.statistics, len(measured.statistics) // 2
    high = {number.name: number.high for number in measured.numbers}
    rates = {
        name: (high[name] if math.isfinite(high[name]) else 1.0, right[:count], right[count:])
        for name, right in measured.rates.items()
    }
    return PairedMetric(
        tuple(number.name for number in measured.numbers),
        Pairs(statistics[:count], statistics[count:], measured.from_sums, measured.from_rows),
        rates,
        f"it cannot be tested on pairs: {why}" if why else "",
    )


def _changed_values(
    metric: PairedMetric, wanted: Sequence[str], first: System, second: System
) -> str:
    """Why the kept examples are not those of the stored numbers; empty where they are."""
    for system, rows in ((first, metric.pairs.first), (second, metric.pairs.second)):
        found = dict(zip(metric.numbers, np.atleast_1d(metric.pairs.of(rows)), strict=True))
        for name in wanted:
            stored = system.values.get(name)
            if stored is not None and not same_number(stored, float(found[name])):
                return (
                    f"the examples of {system.name} give {float(found[name])!r}, but {stored!r} "
                    "is written: one of them was changed"
                )
    return ""


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
        with console.progress("testing", TRIALS, "exchanges") as progress:
            drawn = randomisation_tests(metric.pairs, seed, on_progress=progress.advance)
        by_name = dict(zip(metric.numbers, drawn, strict=True))
        found |= {name: by_name[name] for name in others}
    return found
