"""Gates: `perplexity<=40` written on the command line, held against what was measured.

A build is told apart by its exit code: 3 when a gate failed, else 4 when one could not be decided,
else 0. A certain failure outranks an open question.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from llmctl.console import number
from llmctl.errors import GateFailed, GateUndecided, LlmctlError, UsageError
from llmctl.evaluation.outcome import Outcome
from llmctl.registry import nearest

Verdict = Literal["passed", "failed", "undecided"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_GATE = re.compile(r"\s*([A-Za-z][\w.-]*)\s*(<=|>=|==|<|>)\s*(\S+)\s*")
_FEW_DIGITS, _ALL_DIGITS = 4, 17


class Condition(Protocol):
    """What a gate asks; written out by `str`."""

    @property
    def metric(self) -> str:
        """The number that it is about."""

    def as_json(self) -> dict[str, Any]:
        """`metric`, `comparison`, `threshold`."""


@dataclass(frozen=True)
class Gate:
    """A metric's name, a comparison and a threshold."""

    metric: str
    comparison: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {plain(self.threshold)}"

    def as_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric, "comparison": self.comparison, "threshold": self.threshold,
        }  # fmt: skip

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.comparison](value, self.threshold)


@dataclass(frozen=True)
class GateResult:
    """A gate and its verdict.

    Attributes:
        shown: the value in just enough digits to agree with the verdict.
        distance: how far the value is from what would just pass, as a share of it; the worst
            failure is the farthest.
        evidence: what else the verdict rests on, for programs.
    """

    gate: Condition
    value: float | int | None
    verdict: Verdict
    shown: str
    detail: str
    distance: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "gate": str(self.gate),
            **self.gate.as_json(),
            "value": self.value,
            "verdict": self.verdict,
            "detail": self.detail,
            **self.evidence,
        }


def parse_gate(text: str, known: Sequence[str]) -> Gate:
    """Read `perplexity<=40`; blanks are free.

    Args:
        known: names of the numbers that the task gives.

    Raises:
        UsageError: not such an expression, a threshold that is no finite number, or a name that
            the task does not give.

    >>> str(parse_gate("perplexity<=40", ["perplexity"]))
    'perplexity <= 40'
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"gate {text!r} cannot be read; a name, one of {' '.join(_OPERATORS)} and a number "
            "were expected",
            hint=f"--gate '{known[0]}<=40', in quotes, for < and > mean files to a shell",
        )
    name, comparison, written = match.groups()
    threshold = finite(written)
    if threshold is None:
        raise UsageError(f"gate {text!r}: {written!r} is not a finite number")
    check_name(name, known, f"gate {text!r}")
    return Gate(name, comparison, threshold)


def finite(written: str) -> float | None:
    """The finite number that a text spells, or None.

    >>> finite("0.5"), finite("nan"), finite("1_0")
    (0.5, None, None)
    """
    try:
        value = float(written.replace("_", "x"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def check_name(name: str, known: Sequence[str], where: str) -> None:
    """
    Raises:
        UsageError: `name` is not one of the known numbers.
    """
    if name not in known:
        close = nearest(name, list(known))
        raise UsageError(
            f"{where}: no number is called {name!r}; choose one of {', '.join(known)}",
            hint=f"did you mean {close!r}?" if close else None,
        )


def hold_gates(gates: Sequence[Gate], outcome: Outcome) -> list[GateResult]:
    """Every gate's verdict, at full precision; one that fails does not hide the others."""
    return [_hold(gate, outcome) for gate in gates]


def gate_error(results: Sequence[GateResult], undecided: str | None = None) -> LlmctlError | None:
    """What to raise: `GateFailed` (3) if a gate failed, else `GateUndecided` (4), else nothing.

    Args:
        undecided: a reason that forbids any verdict but a failure, such as values that are NaN.
    """
    failed = [result for result in results if result.verdict == "failed"]
    if failed:
        return GateFailed(_say("failed", failed, len(results)))
    open_ones = [result for result in results if result.verdict == "undecided"]
    if open_ones:
        return GateUndecided(_say("could not be decided", open_ones, len(results)))
    return GateUndecided(f"no verdict can be given: {undecided}") if undecided else None


def shown_beside(value: float | int, gates: Sequence[Gate]) -> str:
    """A number in the fewest digits that put it on the same side of every gate as it really is.

    >>> shown_beside(40.0004, [])
    '40'
    >>> shown_beside(40.0004, [Gate("perplexity", "<=", 40.0)])
    '40.0004'
    """
    for digits in range(_FEW_DIGITS, _ALL_DIGITS):
        shown = number(value, digits)
        read_back = float(shown.replace(",", ""))
        if all(gate.holds(read_back) == gate.holds(value) for gate in gates):
            return shown
    return repr(value)


def _hold(gate: Gate, outcome: Outcome) -> GateResult:
    value = value_of(gate, outcome)
    if isinstance(value, GateResult):
        return value
    verdict: Verdict = "passed" if gate.holds(value) else "failed"
    shown = shown_beside(value, [gate])
    is_or_not = "is" if verdict == "passed" else "is not"
    detail = f"{gate.metric} {shown} {is_or_not} {gate.comparison} {plain(gate.threshold)}"
    return GateResult(gate, value, verdict, shown, detail, apart(value, gate.threshold))


def value_of(gate: Condition, outcome: Outcome) -> float | int | GateResult:
    """The finite number that a gate is about, or the gate left undecided for want of it."""
    metric = outcome.metric(gate.metric)
    if metric is None or metric.value is None or not math.isfinite(metric.value):
        reason = (metric.null_reason if metric else None) or "there is no such number"
        return undecided(gate, reason)
    return metric.value


def undecided(
    gate: Condition, reason: str, value: float | int | None = None, shown: str = "-"
) -> GateResult:
    return GateResult(gate, value, "undecided", shown, f"{gate.metric}: {reason}")


def apart(value: float, other: float) -> float:
    """How far two numbers are apart, as a share of the larger one.

    >>> apart(30.0, 40.0), apart(0.0, 0.0)
    (0.25, 0.0)
    """
    largest = max(abs(value), abs(other))
    return abs(value - other) / largest if largest else 0.0


def _say(what: str, results: Sequence[GateResult], total: int) -> str:
    gates = "gate" if total == 1 else "gates"
    details = "; ".join(result.detail for result in results)
    return f"{len(results)} of {total} {gates} {what}: {details}"


def plain(threshold: float) -> str:
    """A threshold as a person writes it.

    >>> plain(40.0), plain(0.1)
    ('40', '0.1')
    """
    whole = float(threshold).is_integer() and abs(threshold) < 1e15
    return str(int(threshold)) if whole else repr(threshold)
