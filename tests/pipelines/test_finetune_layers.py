"""Frozen layers and rates by layer, through a whole run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_runs import CASES, finetune, losses, write_recipe
from safetensors.torch import load_file

from llmctl import files
from llmctl.errors import UsageError

_FREEZE = "model.freeze=[embeddings, 0]"


def test_frozen_weights_stay_and_have_no_state(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, CASES[0])

    finetune(recipe, tmp_path / "run", _FREEZE)

    before = load_file(tmp_path / "model-bert" / "model.safetensors")
    after = load_file(tmp_path / "run" / "last" / "model.safetensors")
    state = {key.partition("::")[0]
             for key in load_file(tmp_path / "run" / "last" / "optimizer.safetensors")}  # fmt: skip
    frozen = {name for name in after if "embeddings" in name or "layer.0." in name}
    assert frozen
    assert all(torch.equal(after[name], before[name]) for name in frozen & before.keys())
    assert state == after.keys() - frozen
    model = files.read_json(tmp_path / "run" / "run.json")["model"]
    learning = sum(after[name].numel() for name in after.keys() - frozen)
    assert model["trained"] + model["trained_head"] == learning
    assert losses(tmp_path / "run")[5] < losses(tmp_path / "run")[0]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_with_rates_by_layer_resumes_exactly(tmp_path: Path, optimizer: str) -> None:
    recipe = write_recipe(tmp_path, CASES[0])
    words = (f"optimizer={{name: {optimizer}, learning_rate: 1e-3, layer_decay: 0.5}}",)

    finetune(recipe, tmp_path / "whole", *words)
    finetune(recipe, tmp_path / "run", *words, "budget.steps=3")
    finetune(recipe, tmp_path / "run", *words)

    weights = load_file(tmp_path / "whole" / "last" / "model.safetensors")
    again = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    logged = files.read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert max(line["learning_rate"] for line in logged if "loss" in line) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.freeze=[embeddings, 0-2]"], "names block 2; BertForSequenceClassification has"),
        (["model.freeze=[low]"], "'low' is none of embeddings, body, a block or blocks (0-3)"),
        (["model.freeze=[0]", "model.lora={}"], "leave out freeze, or lora"),
        (["optimizer={name: adafactor, layer_decay: 0.9}"], "give learning_rate, too"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    llmctl: Callable[..., Any], tmp_path: Path, words: list[str], message: str
) -> None:
    refused = llmctl("finetune", write_recipe(tmp_path, CASES[0]), "-o", tmp_path / "run", *words)

    assert refused.code == UsageError.exit_code
    assert message in refused.err
