"""The rows of an evaluation's tables, as the terminal and the report show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmctl import console
from llmctl.evaluation.drops import DropGate
from llmctl.evaluation.gates import Gate, GateResult, shown_beside
from llmctl.evaluation.results import EvaluationResult

Table = tuple[list[str], list[list[Any]]]
"""Columns and rows."""


def metric_table(result: EvaluationResult) -> Table:
    metrics = result.outcome.metrics
    rows: list[list[Any]] = [[one.name, result.shown(one), one.unit] for one in metrics]
    if not any(one.interval for one in metrics):
        return ["metric", "value", "unit"], rows
    for row, one in zip(rows, metrics, strict=True):
        row.insert(2, interval_text(one.interval))
    return ["metric", "value", "95 % interval", "unit"], rows


def gate_tables(result: EvaluationResult) -> list[Table]:
    """Gates on values; and gates on drops, with what they rest on."""
    on_values = [held for held in result.gates if not isinstance(held.gate, DropGate)]
    on_drops = [held for held in result.gates if isinstance(held.gate, DropGate)]
    tables: list[Table] = []
    if on_values:
        rows = [[str(held.gate), held.shown, held.verdict] for held in on_values]
        tables.append((["gate", "value", "verdict"], rows))
    if on_drops:
        tables.append(_drop_table(on_drops))
    return tables


def yardstick_table(result: EvaluationResult) -> Table:
    """The number that all guesses are of is named once, above their values."""
    found = result.outcome.yardsticks
    metrics = {item.metric for item in found}
    if len(metrics) == 1:
        rows: list[list[Any]] = [[item.name, item.value, item.how] for item in found]
        return ["guesser", *metrics, "how it guesses"], rows
    rows = [[item.name, item.value, item.metric, item.how] for item in found]
    return ["guesser", "value", "of", "how it guesses"], rows


def notes_of(result: EvaluationResult) -> list[str]:
    """Why numbers do not exist, each reason once; then what the evaluation has to say."""
    reasons: dict[str, list[str]] = {}
    for metric in result.outcome.metrics:
        if metric.value is None:
            reasons.setdefault(metric.null_reason or "it is not finite", []).append(metric.name)
    without = [f"no value for {', '.join(names)}: {why}" for why, names in reasons.items()]
    return [*without, *_shared_level(result.gates), *result.outcome.notes]


def signatures_of(result: EvaluationResult) -> list[str]:
    """The evaluation's signature, then those of its metrics."""
    own = [metric.signature for metric in result.outcome.metrics if metric.signature]
    return list(dict.fromkeys([result.signature, *own]))


def interval_text(interval: tuple[float, float] | None) -> str:
    """
    >>> interval_text((30.412, 32.66)), interval_text(None)
    ('30.41 to 32.66', '-')
    """
    if interval is None:
        return "-"
    return " to ".join(console.number(bound) for bound in interval)


def _shared_level(gates: Sequence[GateResult]) -> list[str]:
    """Why a p below the level may not be significant: there are several gates."""
    levels = [held.evidence["level"] for held in gates if "level" in held.evidence]
    if len(levels) < 2:
        return []
    return [
        f"{len(levels)} gates share the chance of failing by chance (Holm): of their p, the "
        f"smallest must be at most {console.number(levels[0])}"
    ]


def _drop_table(held: Sequence[GateResult]) -> Table:
    columns = ["gate", "value", "baseline", "drop", "verdict"]
    tested = any("p" in one.evidence for one in held)
    if tested:
        columns[4:4] = ["p", "detects"]
    rows: list[list[Any]] = []
    for one in held:
        known = one.evidence
        row = [
            str(one.gate), one.shown, _number(known.get("baseline")), _drop(known),
            one.verdict,
        ]  # fmt: skip
        if tested:
            row[4:4] = [_number(known.get("p"), 2), _number(known.get("detectable_drop"), 2)]
        rows.append(row)
    return columns, rows


def _drop(known: Any) -> str:
    if "drop" not in known:
        return "-"
    return shown_beside(known["drop"], [Gate("", "<=", known["allowed"])])


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else console.number(value, digits)
