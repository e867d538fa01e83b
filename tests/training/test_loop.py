"""The loop: when it logs, validates, saves and stops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import core
import pytest
import torch

from llmctl.errors import Diverged, Stopped
from llmctl.training import loop
from llmctl.training.loop import train
from llmctl.training.settings import WarmupStableDecay
from llmctl.training.step import StepResult
from llmctl.training.validation import Validated


def lines_of(folder: Path) -> list[dict[str, float]]:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_ends_with_its_budget_and_saves_at_the_end(tmp_path: Path) -> None:
    fixture = core.make_fixture(tmp_path, steps=7)

    state = train(fixture.attempt, fixture.state)

    assert (state.step, state.finished) == (7, "budget")
    assert fixture.saved == [3, 6, 7]
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_checkpoint_is_saved_when_its_time_has_come(tmp_path: Path) -> None:
    """No interval in steps is due at step 1 or 2; zero seconds have always passed."""
    fixture = core.make_fixture(tmp_path, steps=3)
    plan = replace(fixture.attempt.plan, checkpoint_seconds=1e-9)

    train(replace(fixture.attempt, plan=plan), fixture.state)

    assert fixture.saved == [1, 2, 3]


def test_tokens_counts_targets_only(tmp_path: Path) -> None:
    fixture = core.make_fixture(tmp_path, steps=1, rows=3)

    # Rows 0 to 2: row 0 has 6 tokens, 5 targets; rows 1 and 2 have 13 tokens, 12 targets.
    assert train(fixture.attempt, fixture.state).tokens == 5 + 12 + 12


def test_patience_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    fixture = core.make_fixture(
        tmp_path, steps=500, rows=32, micro=32, validation=True, patience=2, rate=0.0
    )

    state = train(fixture.attempt, fixture.state)

    # With a rate of zero the first validation (step 2) is the best; 4 and 6 are no better.
    assert (state.step, state.finished, state.best_step) == (6, "patience", 2)


def test_a_signal_stops_after_the_step_and_saves(tmp_path: Path) -> None:
    fixture = core.make_fixture(tmp_path, steps=100)
    fixture.attempt.stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped, match="SIGTERM after step 1") as stopped:
        train(fixture.attempt, fixture.state)

    assert fixture.saved == [1]
    assert stopped.value.exit_code == 75


def test_alone_on_a_gpu_a_signal_is_answered_at_the_next_step(tmp_path: Path) -> None:
    """Several processes agree at a line of the log; one has nobody to wait for."""
    fixture = core.make_fixture(tmp_path, log_every=100, validation_every=100)
    fixture.attempt.stop.signal_name = "SIGTERM"
    fixture.state.step = 1
    on_gpu = SimpleNamespace(count=1, is_main=True, device=torch.device("cuda"), sum=lambda *v: v)
    trainable = replace(fixture.attempt.trainable, processes=on_gpu)  # type: ignore[arg-type]

    attempt = replace(fixture.attempt, trainable=trainable)
    stopping, overdue = loop._agree_on_time(attempt, fixture.state, seconds_since_save=1.0)
    assert (stopping, overdue) == (True, False)


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_saved(tmp_path: Path) -> None:
    fixture = core.make_fixture(tmp_path, steps=10)
    with torch.no_grad():
        next(fixture.model.parameters()).fill_(float("nan"))

    with pytest.raises(Diverged, match="step 1"):
        train(fixture.attempt, fixture.state)

    assert fixture.saved == []
    assert lines_of(tmp_path)[0]["loss"] is None


def test_a_validation_loss_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    """The gradient is that of the weights before the step, and still finite when they blow up."""
    fixture = core.make_fixture(
        tmp_path, steps=10, validation=True, validation_every=1, rate=1e30, clip=None
    )

    with pytest.raises(Diverged, match="validation loss is no longer finite at step 1"):
        train(fixture.attempt, fixture.state)

    assert fixture.saved == []
    assert fixture.state.best_loss is None
    assert lines_of(tmp_path)[-1]["validation_loss"] is None


def test_validation_between_two_lines_leaves_its_tokens_out_of_the_rate(tmp_path: Path) -> None:
    """The next line's time begins after the validation, so its tokens must begin there too."""
    fixture = core.make_fixture(tmp_path)
    recorder, state = fixture.attempt.recorder, fixture.state
    before, after = (
        StepResult(torch.ones(1), torch.tensor([1.0]), number, torch.tensor(1.0), 1e-3)
        for number in (100, 7)
    )

    recorder.add(before)
    recorder.validation(state, Validated(1.0, {"loss": 1.0}, rank=1.0), better=True)
    recorder.add(after)
    recorder.collect(state)

    assert lines_of(tmp_path)[0]["tokens"] == 100
    assert recorder._tokens == 7
    assert state.tokens == 107


def test_a_checkpoint_between_two_lines_keeps_their_sums(tmp_path: Path) -> None:
    """Logged every 4 steps, saved after 3: the state then holds three steps' losses and tokens."""
    fixture = core.make_fixture(tmp_path, steps=4, log_every=4)
    states: list[dict[str, Any]] = []
    attempt = replace(fixture.attempt, save=lambda state: states.append(state.to_json()))

    train(attempt, fixture.state)

    assert [state["step"] for state in states] == [3, 4]
    targets, losses = states[0]["window_targets"], states[0]["window_losses"]
    assert targets == [states[0]["tokens"]]
    assert targets[0] > 0
    assert losses[0] > 3 * targets[0]  # about ln 50 a token
    assert states[1]["window_targets"] == [0]


def test_validation_changes_nothing_of_the_training(tmp_path: Path) -> None:
    plain = core.make_fixture(tmp_path / "a", steps=6, dropout=0.2)
    watched = core.make_fixture(tmp_path / "b", steps=6, dropout=0.2, validation=True)
    for fixture in (plain, watched):
        fixture.attempt.recorder.folder.mkdir()
        train(fixture.attempt, fixture.state)

    for one, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_budget_in_hours_decays_when_its_time_has_come(tmp_path: Path) -> None:
    schedule = WarmupStableDecay(name="wsd", warmup_steps=1, decay_share=0.5)
    fixture = core.make_fixture(tmp_path, hours=1.0, schedule=schedule)
    fixture.state.seconds = 1799.0  # half an hour but for one second
    fixture.state.step = 40

    state = train(fixture.attempt, _after_half_an_hour(fixture))

    assert state.finished == "budget"
    assert state.decay_from is not None
    assert state.total_steps == 2 * state.decay_from
    assert state.hours == 1.0


def _after_half_an_hour(fixture: core.Fixture) -> core.TrainState:
    fixture.state.seconds = 1800.0
    return fixture.state
