"""`llmctl compare`: what changed between two results, and whether it may be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.errors import GateUndecided, UsageError
from llmctl.evaluation.paired_intervals import (
    Interval,
    difference_intervals,
    rate_difference_interval,
)
from llmctl.evaluation.paired_tests import NotComparable, PairedTest
from llmctl.evaluation.stored import (
    StoredResult,
    check_data,
    check_signatures,
    different_parts,
    read_result,
)
from llmctl.evaluation.tables import interval_text
from llmctl.pipelines.pairing import PairedMetric, System, number_tests, paired_metrics
from llmctl.registry import nearest

SCHEMA = 1


@dataclass(frozen=True)
class Difference:
    """One number of two results.

    Attributes:
        difference: second minus first.
        interval: 95 %, of the difference; None where there are no pairs.
        p: two-sided; None where there is no test, for `reason`.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    first: float
    second: float
    difference: float
    interval: Interval | None = None
    p: float | None = None
    method: str | None = None
    examples: int | None = None
    differing: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Two results and their differences; `notes` are what a reader should know."""

    first: StoredResult
    second: StoredResult
    differences: list[Difference]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """`{schema, kind, first, second, metrics: {name: {first, second, difference, interval, p,
        method, …}}, notes}`."""
        numbers = [asdict(one) for one in self.differences]
        return {
            "schema": SCHEMA,
            "kind": "comparison",
            "first": _about(self.first),
            "second": _about(self.second),
            "metrics": {number.pop("name"): number for number in numbers},
            "notes": self.notes,
        }


def compare(first: Path, second: Path, metrics: Sequence[str] = ()) -> Comparison:
    """The differences of all numbers that two results share, or of those that are named.

    Raises:
        InputMissing, DataError: a result is not there, or is none.
        UsageError: a number that the results do not share.
        GateUndecided: they were measured on other data or in other ways.
    """
    one, other = read_result(first), read_result(second)
    names = _shared_numbers(one, other, metrics)
    _refuse_other_conditions(one, other, names)
    details, notes = _paired(one, other, names)
    differences = []
    for name in names:
        before, after = one.value(name), other.value(name)
        about = other.metrics[name]
        differences.append(
            Difference(
                name, about["unit"], about["higher_is_better"], before, after, after - before,
                **details[name],
            )
        )  # fmt: skip
    return Comparison(one, other, differences, [*_what_changed(one, other), *notes])


def table_text(comparison: Comparison) -> str:
    """What a person sees."""
    rows: list[list[Any]] = [
        [
            one.name, console.number(one.first), console.number(one.second),
            f"{'+' if one.difference > 0 else ''}{console.number(one.difference)}",
            interval_text(one.interval), "-" if one.p is None else console.number(one.p, 2),
        ]
        for one in comparison.differences
    ]  # fmt: skip
    columns = ["metric", "first", "second", "difference", "95 % interval", "p"]
    parts = [
        f"first:  {comparison.first.path}\nsecond: {comparison.second.path}",
        console.table(columns, rows),
    ]
    return "\n\n".join([*parts, *(f"note: {note}" for note in comparison.notes)])


def _shared_numbers(first: StoredResult, second: StoredResult, wanted: Sequence[str]) -> list[str]:
    """The numbers that say how good a system is and exist in both results."""
    shared = [
        name
        for name, metric in first.metrics.items()
        if name in second.metrics
        and (metric["higher_is_better"] is not None or name in wanted)
        and metric["value"] is not None
        and second.metrics[name]["value"] is not None
    ]
    for name in wanted:
        if name not in shared:
            close = nearest(name, shared)
            raise UsageError(
                f"{first.path} and {second.path} have no number {name!r} in common; they share "
                f"{', '.join(shared) or 'none'}",
                hint=f"did you mean {close!r}?" if close else None,
            )
    if not shared:
        raise GateUndecided(f"{first.path} and {second.path} have no number in common")
    return list(wanted) or shared


def _refuse_other_conditions(
    first: StoredResult, second: StoredResult, names: Sequence[str]
) -> None:
    """
    Raises:
        GateUndecided: other data, or numbers that were made in other ways.
    """
    try:
        check_data(first, second.data_sha256)
    except NotComparable as reason:
        raise GateUndecided(
            f"the results cannot be compared: {reason}",
            hint="evaluate both systems on the same examples in the same order",
        ) from None
    comparable, refused = [], []
    for name in names:
        try:
            check_signatures(first.signature(name), second.signature(name), "first", "in second")
            comparable.append(name)
        except NotComparable as reason:
            refused.append(f"{name}: {reason}")
    if refused:
        words = " ".join(f"--metric {name}" for name in comparable)
        raise GateUndecided(
            f"the results cannot be compared: {'; '.join(refused)}",
            hint=f"{words} compares the others" if comparable else None,
        )


def _paired(
    first: StoredResult, second: StoredResult, names: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What the examples say of each number, and why they say nothing of some."""
    found: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = dict.fromkeys(
        names, "no metric that was kept with the examples gives it"
    )
    try:
        systems = [_system(one) for one in (first, second)]
    except NotComparable as reason:
        reasons = dict.fromkeys(names, str(reason))
    else:
        for metric in paired_metrics(systems[0], systems[1], names):
            if not isinstance(metric, PairedMetric):
                reasons |= dict.fromkeys(metric[0], str(metric[1]))
                continue
            intervals = _intervals(metric)
            for name, test in number_tests(metric, names).items():
                if isinstance(test, PairedTest):
                    found[name] = _details(test, intervals[name])
                else:
                    reasons[name] = str(test)
    grouped: dict[str, list[str]] = {}
    for name in names:
        if name not in found:
            found[name] = {"reason": reasons[name]}
            grouped.setdefault(reasons[name], []).append(name)
    return found, [f"no test of {', '.join(group)}: {why}" for why, group in grouped.items()]


def _intervals(metric: PairedMetric) -> dict[str, Interval | None]:
    found = dict(zip(metric.numbers, difference_intervals(metric.pairs), strict=True))
    for name, (scale, one, other) in metric.rates.items():
        worse, better = int((one > other).sum()), int((other > one).sum())
        found[name] = rate_difference_interval(worse, better, len(one), scale)
    return found


def _details(test: PairedTest, interval: Interval | None) -> dict[str, Any]:
    return {
        "interval": interval, "p": test.p_two_sided, "method": test.method,
        "examples": test.examples, "differing": test.differing,
    }  # fmt: skip


def _system(result: StoredResult) -> System:
    return System(
        str(result.path), result.rows(), result.measures,
        {name: metric["value"] for name, metric in result.metrics.items()},
    )  # fmt: skip


def _what_changed(first: StoredResult, second: StoredResult) -> list[str]:
    """How the systems were meant to differ, as far as the results know."""
    notes = []
    for what, one, other in (
        ("model", _model(first), _model(second)),
        ("decoding", first.decoding, second.decoding),
    ):
        for name, (before, after) in different_parts(one, other).items():
            notes.append(f"{what} {name}: {before} in first, {after} in second")
    return notes


def _model(result: StoredResult) -> Mapping[str, Any]:
    model = result.content.get("model") or {}
    return {name: model[name] for name in ("path", "dtype", "device") if name in model}


def _about(result: StoredResult) -> dict[str, Any]:
    kept = ("task", "signature", "model", "data", "decoding", "created")
    return {"path": str(result.path), **{name: result.content.get(name) for name in kept}}
