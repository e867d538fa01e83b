"""Frozen parts, in words that mean the same in every family."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from pydantic import ValidationError
from small_models import small_model

from llmctl.errors import UsageError
from llmctl.models.finetune_settings import FinetunedModel
from llmctl.models.freezing import freeze


def learning(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def classifier() -> Any:
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8
    )
    return transformers.BertForSequenceClassification(config)


@pytest.mark.parametrize(
    ("words", "frozen"),
    [
        (["embeddings"], ["bert.embeddings"]),
        (["0"], ["layer.0"]),
        (["embeddings", "0-1"], ["bert.embeddings", "layer.0", "layer.1"]),
        (["body"], ["bert.embeddings", "layer."]),
    ],
)
def test_what_is_named_does_not_learn(words: list[str], frozen: list[str]) -> None:
    model = classifier()

    freeze(model, words)

    expected = {n for n, _ in model.named_parameters() if not any(part in n for part in frozen)}
    assert learning(model) == expected
    assert any(name.startswith("classifier") for name in expected)


@pytest.mark.parametrize(
    ("preset", "head", "gone"),
    [
        ("gpt2-tiny", "causal", ["wte", "wpe", ".h.0."]),
        ("llama-tiny", "causal", ["embed_tokens", "layers.0."]),
        ("xlm-tiny", "masked", ["embeddings", "layer_norm_emb", ".0."]),
        ("t5-tiny", "seq2seq", ["shared", "block.0."]),
        ("bart-tiny", "seq2seq", ["embed", "shared", "layers.0."]),
    ],
)
def test_the_words_fit_every_family(preset: str, head: str, gone: list[str]) -> None:
    model = small_model(preset, head)

    freeze(model, ["embeddings", "0"])

    expected = {
        name for name, _ in model.named_parameters() if not any(part in name for part in gone)
    }
    assert learning(model) == expected


def test_a_block_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        UsageError, match="names block 3; BertForSequenceClassification has blocks 0"
    ):
        freeze(classifier(), ["0-4"])


def test_something_must_learn() -> None:
    """All of a GPT-2 is body: its head is the table of embeddings."""
    with pytest.raises(UsageError, match="leaves nothing of GPT2LMHeadModel to learn"):
        freeze(small_model("gpt2-tiny", "causal"), ["body"])


@pytest.mark.parametrize(
    ("value", "message"),
    [("top", "none of embeddings, body"), ("3-1", "runs downwards"), ([True], "string")],
)
def test_other_words_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FinetunedModel(path="x", freeze=value)


def test_numbers_and_single_words_are_taken_as_written() -> None:
    assert FinetunedModel(path="x", freeze=["embeddings", 0]).freeze == ["embeddings", "0"]
    assert FinetunedModel(path="x", freeze=2).freeze == ["2"]
