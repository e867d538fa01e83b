"""Gates are read strictly, held exactly, and shown so that text and verdict agree."""

from __future__ import annotations

import math

import pytest

from llmctl.errors import GateFailed, GateUndecided, UsageError
from llmctl.evaluation.gates import Gate, gate_error, hold_gates, parse_gate, shown_beside
from llmctl.evaluation.outcome import Metric, Outcome

KNOWN = ["perplexity", "loss", "bits_per_byte"]


def outcome(**values: float | None) -> Outcome:
    metrics = [
        Metric(name, value, null_reason=None if value is not None else "it is NaN")
        for name, value in values.items()
    ]
    return Outcome(metrics, signature={})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("perplexity<=40", Gate("perplexity", "<=", 40)),
        ("  perplexity >= 1e2 ", Gate("perplexity", ">=", 100)),
        ("loss<-0.5", Gate("loss", "<", -0.5)),
        ("loss > .5", Gate("loss", ">", 0.5)),
        ("bits_per_byte==2", Gate("bits_per_byte", "==", 2)),
    ],
)
def test_gates_are_read(text: str, expected: Gate) -> None:
    assert parse_gate(text, KNOWN) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "perplexity", "perplexity<=", "<=40", "perplexity=40", "perplexity=<40",
        "40>=perplexity", "perplexity<=4O", "perplexity<=40%", "perplexity<=nan",
        "perplexity<=inf", "perplexity<=1_0", "perplexity <= 40 <= 50", "perplexity!=40",
        "perplexity<=>40",
    ],
)  # fmt: skip
def test_malformed_gates_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse_gate(text, KNOWN)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'perplexty'") as caught:
        parse_gate("perplexty<=40", KNOWN)
    assert caught.value.hint == "did you mean 'perplexity'?"


@pytest.mark.parametrize(
    ("gate", "value", "verdict"),
    [
        ("loss<=2", 2.0, "passed"),
        ("loss<2", 2.0, "failed"),
        ("loss>=2", 2.0, "passed"),
        ("loss>2", 2.0, "failed"),
        ("loss==2", 2.0, "passed"),
        ("loss<=2", 2.0000000000000004, "failed"),
        ("loss<=2", None, "undecided"),
    ],
)
def test_gates_are_held_at_full_precision(gate: str, value: float | None, verdict: str) -> None:
    assert hold_gates([parse_gate(gate, KNOWN)], outcome(loss=value))[0].verdict == verdict


def test_a_number_that_is_not_there_is_undecided() -> None:
    assert hold_gates([Gate("loss", "<=", 2)], outcome())[0].verdict == "undecided"


def test_nan_is_never_a_pass() -> None:
    assert hold_gates([Gate("loss", "<=", 2)], outcome(loss=math.nan))[0].verdict == "undecided"


def test_all_gates_are_reported_when_the_first_fails() -> None:
    gates = [Gate("loss", "<=", 1), Gate("perplexity", "<=", 40), Gate("loss", "<=", 3)]
    results = hold_gates(gates, outcome(loss=2.0, perplexity=50.0))
    assert [result.verdict for result in results] == ["failed", "failed", "passed"]
    error = gate_error(results)
    assert isinstance(error, GateFailed)
    assert error.message == (
        "2 of 3 gates failed: loss 2 is not <= 1; perplexity 50 is not <= 40"
    )  # fmt: skip


def test_a_failure_outranks_an_open_question() -> None:
    gates = [Gate("loss", "<=", 1), Gate("perplexity", "<=", 40)]
    assert isinstance(gate_error(hold_gates(gates, outcome(loss=2.0, perplexity=None))), GateFailed)
    assert isinstance(
        gate_error(hold_gates(gates, outcome(loss=0.5, perplexity=None))), GateUndecided
    )


def test_gates_that_pass_raise_nothing() -> None:
    assert gate_error(hold_gates([Gate("loss", "<=", 2)], outcome(loss=1.0))) is None
    assert gate_error([]) is None


def test_an_undecidable_outcome_passes_no_gate() -> None:
    results = hold_gates([Gate("loss", "<=", 2)], outcome(loss=1.0))
    assert isinstance(gate_error(results, "2 tokens are NaN"), GateUndecided)


@pytest.mark.parametrize(
    ("value", "gates", "shown"),
    [
        (40.0004, [], "40"),
        (40.0004, [Gate("p", "<=", 40)], "40.0004"),
        (39.99999, [Gate("p", "<", 40)], "39.99999"),
        (36.61, [Gate("p", "<=", 40)], "36.61"),
        (40.0, [Gate("p", "<", 40)], "40"),
        (40.123456, [Gate("p", "<=", 40.12), Gate("p", ">=", 40.1234)], "40.1235"),
        (2.0000000000000004, [Gate("p", "<=", 2)], "2.0000000000000004"),
    ],
)
def test_the_number_shown_is_on_the_side_of_the_verdict(
    value: float, gates: list[Gate], shown: str
) -> None:
    assert shown_beside(value, gates) == shown
