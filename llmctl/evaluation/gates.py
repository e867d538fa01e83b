"""Gates: `perplexity<=40` written on the command line, held against what was measured.

A build is told apart by its exit code: 3 when a gate failed, else 4 when one could not be decided,
else 0. A certain failure outranks an open question.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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


@dataclass(frozen=True)
class Gate:
    """A metric's name, a comparison and a threshold."""

    metric: str
    comparison: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {_plain(self.threshold)}"

    def holds(self, value: float) -> bool:
        return _OPERATORS[self.comparison](value, self.threshold)


@dataclass(frozen=True)
class GateResult:
    """A gate and its verdict. `shown` is the value in just enough digits to agree with it."""

    gate: Gate
    value: float | int | None
    verdict: Verdict
    shown: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {
            "gate": str(self.gate),
            "metric": self.gate.metric,
            "comparison": self.gate.comparison,
            "threshold": self.gate.threshold,
            "value": self.value,
            "verdict": self.verdict,
            "detail": self.detail,
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
    try:
        threshold = float(written.replace("_", "x"))
    except ValueError:
        threshold = math.nan
    if not math.isfinite(threshold):
        raise UsageError(f"gate {text!r}: {written!r} is not a finite number")
    if name not in known:
        close = nearest(name, list(known))
        raise UsageError(
            f"gate {text!r}: no number is called {name!r}; choose one of {', '.join(known)}",
            hint=f"did you mean {close!r}?" if close else None,
        )
    return Gate(name, comparison, threshold)


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
    metric = outcome.metric(gate.metric)
    value = metric.value if metric else None
    if metric is None or value is None or not math.isfinite(value):
        reason = (metric.null_reason if metric else None) or "there is no such number"
        return GateResult(gate, None, "undecided", "-", f"{gate.metric}: {reason}")
    verdict: Verdict = "passed" if gate.holds(value) else "failed"
    shown = shown_beside(value, [gate])
    is_or_not = "is" if verdict == "passed" else "is not"
    detail = f"{gate.metric} {shown} {is_or_not} {gate.comparison} {_plain(gate.threshold)}"
    return GateResult(gate, value, verdict, shown, detail)


def _say(what: str, results: Sequence[GateResult], total: int) -> str:
    gates = "gate" if total == 1 else "gates"
    details = "; ".join(result.detail for result in results)
    return f"{len(results)} of {total} {gates} {what}: {details}"


def _plain(threshold: float) -> str:
    whole = float(threshold).is_integer() and abs(threshold) < 1e15
    return str(int(threshold)) if whole else repr(threshold)
