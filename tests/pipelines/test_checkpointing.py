"""Which checkpoint a run goes on from, and which becomes the model, when something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import pytest
import torch
from tiny_run import write_recipe

from llmctl import files
from llmctl.training.loop import Attempt, train
from llmctl.training.state import TrainState


@pytest.fixture
def recipe(tmp_path: Path, tokenizer_folder: Path) -> Path:
    return write_recipe(tmp_path, tokenizer_folder, fakes.make_text_file(tmp_path / "a.txt", 60))


def losses(run: Path) -> list[tuple[int, float]]:
    lines = files.read_json_lines(run / "metrics.jsonl")
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def stop_after(step: int) -> Callable[[Attempt, TrainState], TrainState]:
    """The loop, asked to stop while it works on a step."""

    def train_and_stop(attempt: Attempt, state: TrainState) -> TrainState:
        def batches(number: int) -> Any:
            if number + 1 == step:
                attempt.stop.signal_name = "SIGTERM"
            return attempt.batches(number)

        return train(replace(attempt, batches=batches), state)  # type: ignore[arg-type]

    return train_and_stop


def test_a_prolonged_run_that_is_stopped_goes_on(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decay began at 10 of 12 steps, so 24 steps go on from 9; stopped at 11, short of the old 12.

    The old checkpoint of step 12 is not the newest then, and step 9 not the one to forget.
    """
    same = ["schedule.name=wsd", "schedule.warmup_steps=2", "-o"]
    longer = ["budget.steps=24", *same]
    llmctl("pretrain", recipe, *same, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("llmctl.pipelines.training_run.train", stop_after(11))
        assert llmctl("pretrain", recipe, *longer, tmp_path / "run").code == 75

    again = llmctl("pretrain", recipe, *longer, tmp_path / "run")
    llmctl("pretrain", recipe, *longer, tmp_path / "in-one-go")

    assert again.code == 0, again.err
    assert "going on from step 11" in again.err
    assert losses(tmp_path / "run") == losses(tmp_path / "in-one-go")


def test_with_every_checkpoint_damaged_no_command_begins_again_unasked(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path
) -> None:
    llmctl("pretrain", recipe, "-o", tmp_path / "run")
    for manifest in (tmp_path / "run" / "checkpoints").glob("step-*/manifest.json"):
        manifest.unlink()

    codes = [llmctl("pretrain", recipe, "-o", tmp_path / "run").code for _ in range(2)]

    assert codes == [76, 76]


def test_a_damaged_best_checkpoint_does_not_become_the_model(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path
) -> None:
    """With a rate of next to nothing the first validation, at step 4, stays the best."""
    run = tmp_path / "run"
    words = ("pretrain", recipe, "optimizer.name=sgd", "optimizer.learning_rate=1e-30", "-o", run)
    llmctl(*words)
    assert files.read_json(run / "results.json")["validation"]["best_step"] == 4
    weights = run / "checkpoints" / "step-00000004" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    record = files.read_json(run / "run.json")
    (run / "run.json").write_text(json.dumps({**record, "status": "running"}))
    shutil.rmtree(run / "model")

    refused = llmctl(*words)
    exported = llmctl(*words, "checkpoints.export=last")

    assert refused.code == 76
    assert "model.safetensors does not match its hash" in refused.err
    assert "hint: checkpoints.export=last" in refused.err
    assert exported.code == 0, exported.err


@pytest.mark.parametrize("override", ["compute.precision=bfloat16", "compute.max_gradient_norm=9"])
def test_what_changes_the_numbers_cannot_change_between_attempts(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path, override: str
) -> None:
    llmctl("pretrain", recipe, "budget.steps=2", "-o", tmp_path / "run")
    outcome = llmctl("pretrain", recipe, "budget.steps=2", override, "-o", tmp_path / "run")

    assert outcome.code == 78
    assert override.partition("=")[0] in outcome.err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.config.vocab_size=100", "vocab_size is 100, but the tokenizer has 384"),
        ("model.config.n_head=3", "must be divisible"),
        ("model.config.n_embd=wide", "n_embd"),
        ("optimizer={name: adafactor, learning_rate: 1e-3, warmup_init: true}", "warmup_init"),
    ],
)
def test_settings_that_no_model_or_optimizer_takes_are_refused(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path, override: str, said: str
) -> None:
    outcome = llmctl("pretrain", recipe, override, "-o", tmp_path / "run")

    assert outcome.code == 2, outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def test_deterministic_asks_torch_for_kernels_that_repeat(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    words = ("pretrain", recipe, "budget.steps=1", "-o")
    try:
        llmctl(*words, tmp_path / "a", "compute.deterministic=true")
        assert torch.are_deterministic_algorithms_enabled()
        llmctl(*words, tmp_path / "b")
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_rows_are_as_long_as_the_model_takes_but_1024_at_most(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path
) -> None:
    lengths = []
    for positions in (16, 4096):
        run = tmp_path / str(positions)
        override = f"model.config.n_positions={positions}"
        outcome = llmctl("pretrain", recipe, override, "budget.steps=1", "batch.rows=1", "-o", run)
        assert outcome.code == 0, outcome.err
        lengths.append(files.read_json(run / "run.json")["data"]["block_length"])

    assert lengths == [16, 1024]


def test_a_command_that_trains_nothing_leaves_the_record_of_a_finished_run_alone(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path
) -> None:
    """A cosine run cannot be prolonged: the model there is still one of 12 steps."""
    llmctl("pretrain", recipe, "-o", tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()

    repeated = llmctl("pretrain", recipe, "-o", tmp_path / "run")
    refused = llmctl("pretrain", recipe, "budget.steps=24", "-o", tmp_path / "run")

    assert (repeated.code, refused.code) == (0, 78)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_run_folder_that_cannot_be_made_is_a_storage_error(
    llmctl: Callable[..., Any], recipe: Path, tmp_path: Path
) -> None:
    outcome = llmctl("pretrain", recipe, "-o", tmp_path / "a.txt" / "run")

    assert outcome.code == 74
    assert "Traceback" not in outcome.err
