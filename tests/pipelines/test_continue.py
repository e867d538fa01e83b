"""Training goes on from causal checkpoints of many kinds, at the loss they had."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_run import write_recipe

from llmctl import files

_SMALL = {
    "vocab_size": fakes.VOCABULARY_SIZE, "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 1},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3": {"num_key_value_heads": 1, "head_dim": 16},
    "gpt_neox": {},
    "mistral": {"num_key_value_heads": 1, "sliding_window": 8},  # shorter than a row
    "granite": {"num_key_value_heads": 1, "logits_scaling": 4.0},  # more than body and head
    "gemma2": {"num_key_value_heads": 1, "head_dim": 16, "final_logit_softcapping": 5.0},
}


def make_checkpoint(folder: Path, kind: str, tokenizer: Path) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **_SMALL, **KINDS[kind])
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # away from a uniform guess, so that a wrong forward shows in the loss
        for parameter in model.parameters():
            parameter.mul_(3.0)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_first_loss_is_the_checkpoints_own(
    llmctl: Callable[..., Any], tmp_path: Path, tokenizer_folder: Path, kind: str
) -> None:
    """By the checkpoint's own forward over the same rows; relative 1e-4, float32."""
    model = make_checkpoint(tmp_path / "checkpoint", kind, tokenizer_folder)
    text = fakes.make_text_file(tmp_path / "a.txt", 40)
    recipe = write_recipe(tmp_path, tokenizer_folder, text)
    changed = recipe.read_text(encoding="utf-8")
    changed = re.sub(r"preset: .*\n.*\n", f"path: {tmp_path / 'checkpoint'}\n", changed, count=1)
    changed = re.sub(r"tokenizer:\n.*\n", "", changed)
    recipe.write_text(changed, encoding="utf-8")
    run = tmp_path / "run"

    outcome = llmctl("pretrain", recipe, "budget.steps=1", "data.block_length=32", "-o", run)

    assert outcome.code == 0, outcome.err
    found = files.read_json_lines(run / "metrics.jsonl")[0]["loss"]
    assert found == pytest.approx(expected_loss(model, run), rel=1e-4)


def expected_loss(model: torch.nn.Module, run: Path) -> float:
    from llmctl.data.blocks import Blocks
    from llmctl.data.order import block_order
    from llmctl.data.shards import TokenShards

    blocks = Blocks(TokenShards.open(run / "data" / "train"), 33, 32)
    read = blocks.read(block_order(1, np.arange(8), len(blocks)))
    total, targets = 0.0, 0
    for tokens, length in zip(read.tokens, read.lengths, strict=True):
        ids = torch.from_numpy(tokens[:length].astype(np.int64))
        with torch.no_grad():
            logits = model(ids[None, :-1]).logits[0].float()
        total += F.cross_entropy(logits, ids[1:], reduction="sum").item()
        targets += int(length) - 1
    return total / targets
