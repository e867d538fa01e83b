"""Gates on a drop: `--max-drop bleu=0.5` against what was measured before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmctl.console import number
from llmctl.errors import UsageError
from llmctl.evaluation.gates import (
    Gate,
    GateResult,
    apart,
    check_name,
    finite,
    plain,
    shown_beside,
    undecided,
    value_of,
)
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.paired_tests import NotComparable, PairedTest, holm

_ROUNDING = 1e-12
_DROP = re.compile(r"\s*([A-Za-z][\w.-]*)\s*=\s*([^\s%]+)\s*(%?)\s*")


@dataclass(frozen=True)
class DropGate:
    """How much worse than its baseline a number may be: `most` units of it, or percent."""

    metric: str
    most: float
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.metric} drop <= {plain(self.most)}{'%' if self.percent else ''}"

    def as_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "comparison": "drop %<=" if self.percent else "drop<=",
            "threshold": self.most,
        }

    def allowed(self, baseline: float) -> float:
        """The largest drop in the number's own units.

        >>> DropGate("bleu", 2.0, percent=True).allowed(30.0)
        0.6
        """
        return abs(baseline) * self.most / 100 if self.percent else self.most


Baseline = Mapping[str, float | NotComparable]
"""By number: what it was before, or why that cannot be held against it."""
Tests = Mapping[str, PairedTest | NotComparable]
"""By number: the paired test of it, or why there is none."""


def parse_drops(texts: Sequence[str], known: Sequence[str]) -> list[DropGate]:
    """Read `bleu=0.5` or `bleu=2%`; blanks are free.

    Raises:
        UsageError: not of that form, no finite number from 0 on, an unknown name, or one twice.

    >>> [str(gate) for gate in parse_drops(["bleu=0.5", "ter = 2%"], ["bleu", "ter"])]
    ['bleu drop <= 0.5', 'ter drop <= 2%']
    """
    gates: list[DropGate] = []
    for text in texts:
        match = _DROP.fullmatch(text)
        most = finite(match[2]) if match else None
        if match is None or most is None or most < 0:
            raise UsageError(
                f"max-drop {text!r} cannot be read; a name, = and a number from 0 on were expected",
                hint=f"--max-drop {known[0]}=0.5, or --max-drop {known[0]}=2% of the baseline",
            )
        check_name(match[1], known, f"max-drop {text!r}")
        if any(gate.metric == match[1] for gate in gates):
            raise UsageError(f"max-drop {text!r}: {match[1]} has a largest drop already")
        gates.append(DropGate(match[1], most, bool(match[3])))
    return gates


def hold_drops(
    gates: Sequence[DropGate], outcome: Outcome, baseline: Baseline, tests: Tests | None,
    level: float,
) -> list[GateResult]:  # fmt: skip
    """The verdict of every gate.

    Without tests a gate fails when the number is worse than its baseline by more than is allowed.
    With tests it must be worse beyond chance, too: the chance of any failure without a real drop is
    `level` for all gates together (Holm's correction).

    Args:
        tests: None where chance is not asked about.
    """
    if tests is None:
        return [_hold(gate, outcome, baseline, None, False, 0.0) for gate in gates]
    p_values = [_p_of_drop(gate, outcome, tests) for gate in gates]
    significant = holm(p_values, level)
    strictest = level / len(gates) if gates else level
    return [
        _hold(gate, outcome, baseline, tests[gate.metric], found, strictest)
        for gate, found in zip(gates, significant, strict=True)
    ]


def _hold(
    gate: DropGate, outcome: Outcome, baseline: Baseline,
    test: PairedTest | NotComparable | None, significant: bool, strictest: float,
) -> GateResult:  # fmt: skip
    value = value_of(gate, outcome)
    if isinstance(value, GateResult):
        return value
    metric = outcome.metric(gate.metric)
    assert metric is not None
    shown = number(value)
    if metric.higher_is_better is None:
        return undecided(gate, "neither more nor less of it is better", value, shown)
    before = baseline[gate.metric]
    if isinstance(before, NotComparable):
        return undecided(gate, str(before), value, shown)
    allowed = gate.allowed(before)
    drop = before - value if metric.higher_is_better else value - before
    if abs(drop - allowed) <= _ROUNDING * max(abs(before), abs(value)):
        drop = allowed  # 0.9 - 0.88 is a little more than 0.02
    evidence: dict[str, Any] = {"baseline": before, "drop": drop, "allowed": allowed}
    too_much = drop > allowed
    if test is None:
        detail = _compared(gate, shown, before, drop, allowed, metric.higher_is_better)
        return _result(gate, value, shown, too_much, detail, evidence)
    if isinstance(test, NotComparable):
        return undecided(gate, str(test), value, shown)
    if test.least_p > strictest:
        few = f"{test.examples:,} examples are too few: no drop on them could be significant"
        return undecided(gate, few, value, shown)
    p = test.p_lower if metric.higher_is_better else test.p_higher
    detectable = test.detectable(strictest, allowed)
    evidence |= {
        "p": p, "level": strictest, "method": test.method, "examples": test.examples,
        "differing": test.differing, "detectable_drop": detectable,
    }  # fmt: skip
    detail = _compared(gate, shown, before, drop, allowed, metric.higher_is_better)
    detail += f" ({_chance(p, significant, detectable)})"
    return _result(gate, value, shown, too_much and significant, detail, evidence)


def _result(
    gate: DropGate, value: float, shown: str, fails: bool, detail: str, evidence: dict[str, Any]
) -> GateResult:
    distance = apart(value, evidence["baseline"]) if fails else 0.0
    verdict = "failed" if fails else "passed"
    return GateResult(gate, value, verdict, shown, detail, distance, evidence)  # type: ignore[arg-type]


def _compared(
    gate: DropGate, shown: str, before: float, drop: float, allowed: float, higher: bool
) -> str:
    """
    >>> _compared(DropGate("bleu", 0.5), "30.1", 31.0, 0.9, 0.5, True)
    'bleu 30.1 is 0.9 below the 31 of the baseline; 0.5 is allowed'
    """
    side = "below" if (drop >= 0) == higher else "above"
    size = shown_beside(abs(drop), [Gate("", "<=", allowed)])
    of_baseline = f"{number(before)} of the baseline"
    return f"{gate.metric} {shown} is {size} {side} the {of_baseline}; {number(allowed)} is allowed"


def _chance(p: float, significant: bool, detectable: float | None) -> str:
    found = "significant" if significant else "not significant"
    seen = "" if detectable is None else f"; a drop of {number(detectable, 2)} is found in 80 %"
    return f"{found}, p {number(p, 2)}{seen}"


def _p_of_drop(gate: DropGate, outcome: Outcome, tests: Tests) -> float:
    test, metric = tests[gate.metric], outcome.metric(gate.metric)
    if isinstance(test, NotComparable) or metric is None or metric.higher_is_better is None:
        return 1.0
    return test.p_lower if metric.higher_is_better else test.p_higher
