"""In GitHub Actions: annotations that GitHub reads as they are meant, and a step summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl.evaluation.gates import Gate, hold_gates
from llmctl.evaluation.github import MOST_ANNOTATIONS, add_to_summary, error_lines
from llmctl.evaluation.outcome import Metric, Outcome
from llmctl.evaluation.results import EvaluationResult


def result(*gates: Gate, undecided: str | None = None) -> EvaluationResult:
    metrics = [Metric("bleu", 30.0), Metric("loss", None, null_reason="100 % NaN,\nall: of it")]
    outcome = Outcome(metrics, signature={}, undecided=undecided)
    return EvaluationResult(
        task="score", outcome=outcome, gates=hold_gates(gates, outcome), settings={},
        created="2026-11-22T10:00:00+00:00", seconds=1.0, command="score",
    )  # fmt: skip


def test_gates_that_passed_say_nothing() -> None:
    assert error_lines(result(Gate("bleu", ">=", 30))) == []


def test_the_worst_failure_comes_first_and_open_questions_last() -> None:
    gates = [Gate("loss", "<=", 1), Gate("bleu", ">=", 31), Gate("bleu", ">=", 60)]
    titles = [line.split("::")[1] for line in error_lines(result(*gates))]
    assert titles == [
        "error title=score%3A bleu >= 60",
        "error title=score%3A bleu >= 31",
        "error title=score%3A loss <= 1",
    ]


def test_what_github_would_read_as_its_own_is_escaped() -> None:
    (line,) = error_lines(result(Gate("loss", "<=", 1)))
    assert line == "::error title=score%3A loss <= 1::loss: 100 %25 NaN,%0Aall: of it"


def test_a_result_without_a_verdict_is_one_error() -> None:
    assert error_lines(result(undecided="2 tokens are NaN")) == [
        "::error title=score%3A no verdict::2 tokens are NaN"
    ]


def test_more_than_github_shows_are_counted() -> None:
    lines = error_lines(result(*(Gate("bleu", ">=", 40 + n) for n in range(14))))
    assert len(lines) == MOST_ANNOTATIONS == 10
    assert "bleu >= 53" in lines[0]
    assert "and 5 more gates did not pass" in lines[-1]


def test_the_summary_is_added_to_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    add_to_summary(result(Gate("bleu", ">=", 31)))
    text = summary.read_text("utf-8")
    assert text.startswith("# before\n# score: failed\n")
    assert "| bleu >= 31 | 30 | failed |" in text


def test_a_summary_that_cannot_be_written_is_only_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    add_to_summary(result())
    assert "warning: cannot write the step summary" in capfd.readouterr().err


def test_a_full_summary_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"x" * (1 << 20))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    add_to_summary(result())
    assert summary.stat().st_size == 1 << 20
    assert "1 MiB" in capfd.readouterr().err
