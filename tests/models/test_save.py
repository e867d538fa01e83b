"""Saved configurations say the same to transformers 4.57 and 5."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from llmctl import files
from llmctl.models.save import save_model


def test_the_base_of_rotary_positions_stands_where_both_versions_look(tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, rope_theta=500000.0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    save_model(model, tmp_path)

    written = files.read_json(tmp_path / "config.json")
    assert written["rope_theta"] == written["rope_parameters"]["rope_theta"] == 500000.0
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.arange(20)[None]
    assert torch.equal(loaded(ids).logits, model(ids).logits)
