"""Gates on a drop: read strictly, mindful of direction, margin, chance and what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from llmctl.errors import UsageError
from llmctl.evaluation.drops import DropGate, hold_drops, parse_drops
from llmctl.evaluation.gates import GateResult
from llmctl.evaluation.outcome import Metric, Outcome
from llmctl.evaluation.paired_tests import NotComparable, PairedTest, mcnemar_test

KNOWN = ["bleu", "ter", "words"]


def outcome(bleu: float | None = 30.0, ter: float = 50.0) -> Outcome:
    metrics = [
        Metric("bleu", bleu, higher_is_better=True, null_reason=None if bleu else "it is NaN"),
        Metric("ter", ter, higher_is_better=False),
        Metric("words", 12),
    ]
    return Outcome(metrics, signature={})


def found(p_lower: float, p_higher: float = 1.0, examples: int = 1000) -> PairedTest:
    return PairedTest(
        -1.0, examples, 60, p_lower, p_higher, "a test", 0.5**examples,
        detectable=lambda level, allowed: 100 * level + allowed,
    )  # fmt: skip


def held(
    gate: str, before: float | NotComparable, test: PairedTest | NotComparable | None = None,
    now: Outcome | None = None,
) -> GateResult:  # fmt: skip
    gates = parse_drops([gate], KNOWN)
    name = gates[0].metric
    tests = None if test is None else {name: test}
    (result,) = hold_drops(gates, now or outcome(), {name: before}, tests, 0.05)
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bleu=0.5", DropGate("bleu", 0.5)),
        (" bleu = 2 % ", DropGate("bleu", 2.0, percent=True)),
        ("ter=0", DropGate("ter", 0.0)),
    ],
)
def test_drops_are_read(text: str, expected: DropGate) -> None:
    assert parse_drops([text], KNOWN) == [expected]


@pytest.mark.parametrize(
    "texts",
    [
        [""], ["bleu"], ["bleu="], ["bleu<=1"], ["bleu=-1"], ["bleu=nan"], ["bleu=1%%"], ["=1"],
        ["blue=1"], ["bleu=1", "bleu=2%"], ["bleu=1_0"],
    ],
)  # fmt: skip
def test_malformed_drops_are_usage_errors(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_drops(texts, KNOWN)


@pytest.mark.parametrize(
    ("gate", "before", "verdict"),
    [
        ("bleu=0.5", 30.5, "passed"),
        ("bleu=0.5", 30.500001, "failed"),
        ("bleu=0.5", 20.0, "passed"),
        ("bleu=0", 30.0, "passed"),
        ("bleu=0.1", 30.1, "passed"),  # 30.1 - 30 is 0.10000000000000142
        ("bleu=10%", 33.0, "passed"),  # a tenth of 33 is 3.3
        ("bleu=10%", 33.4, "failed"),
        ("ter=1", 49.0, "passed"),
        ("ter=1", 48.9, "failed"),
        ("ter=1", 60.0, "passed"),
    ],
)
def test_a_drop_is_a_change_for_the_worse_beyond_what_is_allowed(
    gate: str, before: float, verdict: str
) -> None:
    assert held(gate, before).verdict == verdict


def test_the_text_says_both_values_and_the_margin() -> None:
    assert held("bleu=0.5", 30.500001).detail == (
        "bleu 30 is 0.500001 below the 30.5 of the baseline; 0.5 is allowed"
    )
    assert held("ter=1", 48.0).detail == "ter 50 is 2 above the 48 of the baseline; 1 is allowed"


@pytest.mark.parametrize(
    ("before", "p", "verdict"),
    [
        (31.0, 0.05, "failed"),
        (31.0, 0.051, "passed"),  # a drop, but it may be chance
        (30.4, 0.001, "passed"),  # beyond chance, but within what is allowed
    ],
)
def test_with_a_test_a_drop_must_be_large_and_beyond_chance(
    before: float, p: float, verdict: str
) -> None:
    result = held("bleu=0.5", before, found(p))
    assert result.verdict == verdict
    assert result.evidence["p"] == p
    assert result.evidence["detectable_drop"] == pytest.approx(100 * 0.05 + 0.5)


def test_a_number_that_should_be_low_is_tested_upwards() -> None:
    assert held("ter=0", 48.0, found(p_lower=1.0, p_higher=0.01)).verdict == "failed"
    assert held("ter=0", 48.0, found(p_lower=0.01, p_higher=1.0)).verdict == "passed"


def test_several_gates_share_the_level() -> None:
    gates = parse_drops(["bleu=0", "ter=0"], KNOWN)
    before = {"bleu": 31.0, "ter": 49.0}
    tests = {"bleu": found(0.04), "ter": found(1.0, p_higher=0.04)}
    results = hold_drops(gates, outcome(), before, tests, 0.05)
    assert [result.verdict for result in results] == ["passed", "passed"]  # 0.04 > 0.05 / 2
    tests["bleu"] = found(0.02)
    results = hold_drops(gates, outcome(), before, tests, 0.05)
    assert [result.verdict for result in results] == ["failed", "failed"]
    assert results[0].evidence["level"] == 0.025


@pytest.mark.parametrize(
    ("gate", "before", "test", "now", "said"),
    [
        ("bleu=1", 30.0, None, outcome(bleu=None), "it is NaN"),
        ("bleu=1", NotComparable("signatures differ"), None, None, "signatures differ"),
        ("bleu=1", 30.0, NotComparable("no examples"), None, "no examples"),
        ("words=1", 12.0, None, None, "neither more nor less of it is better"),
        ("bleu=1", 30.0, found(1.0, examples=4), None, "4 examples are too few"),
    ],
)
def test_what_cannot_be_compared_is_undecided(
    gate: str, before: float | NotComparable, test: PairedTest | NotComparable | None,
    now: Outcome | None, said: str,
) -> None:  # fmt: skip
    result = held(gate, before, test, now)
    assert result.verdict == "undecided"
    assert said in result.detail


def test_five_examples_are_enough_for_one_gate_and_too_few_for_two() -> None:
    right, wrong = np.ones(5), np.zeros(5)
    test = mcnemar_test(right, wrong)  # 1/32 is the smallest p
    assert held("bleu=0", 31.0, test).verdict == "failed"
    gates = parse_drops(["bleu=0", "ter=0"], KNOWN)
    before, tests = {"bleu": 31.0, "ter": 49.0}, {"bleu": test, "ter": test}
    results = hold_drops(gates, outcome(), before, tests, 0.05)
    assert [result.verdict for result in results] == ["undecided", "undecided"]


def test_programs_read_what_the_verdict_rests_on() -> None:
    content = held("bleu=2%", 31.0, found(0.01)).as_json()
    assert content["gate"] == "bleu drop <= 2%"
    assert (content["comparison"], content["threshold"]) == ("drop %<=", 2.0)
    assert content["baseline"] == 31.0
    assert content["drop"] == 1.0
    assert content["allowed"] == pytest.approx(0.62)
    assert {"p", "level", "method", "examples", "differing", "detectable_drop"} <= set(content)
