"""Where weights stand: in every family embeddings below, blocks by number, the head above."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from small_models import small_model

from llmctl.models.families import heads_of
from llmctl.models.layers import block_stacks, head_names, places

_BLOCKS = {
    "bert-tiny": [4], "roberta-tiny": [4], "xlm-roberta-tiny": [4], "distilbert-tiny": [2],
    "albert-tiny": [1], "electra-tiny": [4, 4], "modernbert-tiny": [4], "deberta-v3-tiny": [4],
    "xlm-tiny": [4], "xlnet-tiny": [4], "gpt2-tiny": [4], "llama-tiny": [4], "qwen3-tiny": [4],
    "gpt_neox": [2], "t5-tiny": [2, 2], "bart-tiny": [2, 2], "mbart-tiny": [2, 2], "lstm-tiny": [],
}  # fmt: skip
"""Blocks of each stack: ALBERT has one, which all layers share; an LSTM has none."""


@pytest.mark.parametrize("preset", list(_BLOCKS))
def test_every_weight_of_every_family_has_its_place(preset: str) -> None:
    model_type = preset.partition("-tiny")[0].replace("v3", "v2")
    model = small_model(preset, heads_of(model_type)[-1])
    found = places(model)
    deepest = max(_BLOCKS[preset], default=0)

    assert [len(stack) for stack in block_stacks(model)] == _BLOCKS[preset]
    assert found.keys() == {name for name, _ in model.named_parameters()}
    for name, place in found.items():
        if place.part == "embeddings":
            assert place.depth == deepest + 1, name
            # An XLM-RoBERTa's table is named first by its head.
            words = ("emb", "wte", "wpe", "shared", "lm_head.decoder.weight")
            assert any(word in name for word in words), name
        elif place.block is not None:
            assert place.part == "block"
            assert place.depth == deepest - place.block
            assert str(place.block) in name.split(".")
    numbers = {place.block for place in found.values() if place.part == "block"}
    assert numbers == set(range(deepest))


def test_blocks_are_counted_from_the_top_of_each_stack() -> None:
    """An encoder of three and a decoder of one: the decoder's block is as deep as the encoder's
    last one."""
    config = transformers.T5Config(
        vocab_size=9, d_model=8, d_kv=4, d_ff=8, num_layers=3, num_decoder_layers=1, num_heads=2
    )
    found = places(transformers.T5ForConditionalGeneration(config))

    depth = {
        f"{name.split('.')[0]}.{place.block}": place.depth
        for name, place in found.items()
        if place.part == "block"
    }
    assert depth == {"encoder.0": 3, "encoder.1": 2, "encoder.2": 1, "decoder.0": 1}
    assert found["shared.weight"].depth == 4
    assert found["encoder.final_layer_norm.weight"].part == "top"


@pytest.mark.parametrize(
    ("kind", "head", "expected"),
    [
        ("bert", "SequenceClassification", ["bert.pooler", "classifier"]),
        ("bert", "TokenClassification", ["classifier"]),
        ("roberta", "SequenceClassification", ["classifier"]),
        ("distilbert", "SequenceClassification", ["pre_classifier", "classifier"]),
        ("electra", "MultipleChoice", ["sequence_summary", "classifier"]),
        ("deberta-v2", "SequenceClassification", ["pooler", "classifier"]),
        ("gpt2", "SequenceClassification", ["score"]),
        ("gpt2", "CausalLM", []),
    ],
)
def test_the_head_is_what_stands_on_the_body(kind: str, head: str, expected: list[str]) -> None:
    shape: dict[str, Any] = {
        "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(kind, **shape)
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config)

    heads = [name for name, place in places(model).items() if place.part == "head"]

    assert head_names(model) == (expected or ["lm_head"])
    assert bool(heads) == bool(expected)  # the head of a language model is its table again
