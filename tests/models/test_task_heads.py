"""Heads of tasks: the logits of transformers, whatever stands beside a row and after it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from llmctl.models import build
from llmctl.models.heads import HEADS, wrap

_SHAPE: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 40, "pad_token_id": 1,
    "initializer_range": 0.5, "num_labels": 3,
}  # fmt: skip
_KINDS = ["bert", "roberta", "albert", "electra", "modernbert", "deberta-v2", "llama", "gpt2"]
_TOKEN_KINDS = [kind for kind in _KINDS if kind not in ("llama", "gpt2")]


def make_model(kind: str, head: str) -> Any:
    more: dict[str, Any] = {}
    if kind in ("albert", "electra"):
        more["embedding_size"] = 16
    if kind == "modernbert":
        more = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    if kind == "llama":
        more = {"num_key_value_heads": 2}
    if head == "question-answering":
        more["num_labels"] = 2
    config = transformers.AutoConfig.for_model(kind, **{**_SHAPE, **more})
    torch.manual_seed(0)
    model = getattr(transformers, HEADS[head].auto_class).from_config(config, dtype=torch.float32)
    for parameter in model.parameters():  # a head starts at nearly zero
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Two rows of 9 and 5 tokens, padded with the id 1; the second holds a 1 as a token too."""
    torch.manual_seed(1)
    ids = torch.randint(4, 99, (2, 9))
    ids[1, 5:] = 1
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return ids, mask


@torch.no_grad()
@pytest.mark.parametrize("kind", _KINDS)
def test_padding_does_not_change_the_logits_of_a_row(kind: str) -> None:
    """Largest difference below 1e-5 of the largest logit: float32, sums over other lengths."""
    model = make_model(kind, "sequence-classification")
    ours = "auto" if kind in ("bert", "roberta", "albert", "electra") else "sdpa"
    build.choose_attention(model, ours, 16)
    ids, mask = rows()
    wrapped = wrap(model, "sequence-classification").eval()

    padded = wrapped(input_ids=ids, attention_mask=mask)[1]
    alone = wrapped(input_ids=ids[1:, :5], attention_mask=mask[1:, :5])[0]

    assert torch.allclose(padded, alone, rtol=0, atol=1e-5 * float(alone.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("kind", _KINDS)
def test_the_logits_are_those_of_transformers(kind: str) -> None:
    model = make_model(kind, "sequence-classification")
    ids, mask = rows()
    expected = model(input_ids=ids, attention_mask=mask).logits
    ours = "auto" if kind in ("bert", "roberta", "albert", "electra") else "sdpa"
    build.choose_attention(model, ours, 16)

    found = wrap(model, "sequence-classification").eval()(input_ids=ids, attention_mask=mask)

    assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("head", ["token-classification", "question-answering"])
@pytest.mark.parametrize("kind", _TOKEN_KINDS)
def test_logits_of_tokens_do_not_depend_on_padding(kind: str, head: str) -> None:
    model = make_model(kind, head)
    ours = "auto" if kind in ("bert", "roberta", "albert", "electra") else "sdpa"
    build.choose_attention(model, ours, 16)
    ids, mask = rows()
    wrapped = wrap(model, head).eval()

    padded = wrapped(input_ids=ids, attention_mask=mask)[1, :5]
    alone = wrapped(input_ids=ids[1:, :5], attention_mask=mask[1:, :5])[0]

    assert torch.allclose(padded, alone, rtol=0, atol=1e-5 * float(alone.abs().max()))


@torch.no_grad()
def test_a_decoder_answers_at_the_last_token_even_where_the_padding_id_is_text() -> None:
    """transformers takes the place before the first padding id, which here is a word."""
    model = make_model("llama", "sequence-classification")
    ids = torch.tensor([[5, 1, 7, 8]])

    found = wrap(model, "sequence-classification").eval()(input_ids=ids)

    hidden = model.model(ids).last_hidden_state
    assert torch.allclose(found, model.score(hidden[:, 3]), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_a_choice_does_not_depend_on_how_long_the_others_are(kind: str) -> None:
    model = make_model(kind, "multiple-choice")
    build.choose_attention(model, "sdpa", 16)
    ids, mask = rows()
    wrapped = wrap(model, "multiple-choice").eval()

    beside = wrapped(input_ids=ids[None], attention_mask=mask[None])[0, 1]
    alone = wrapped(input_ids=ids[None, 1:, :5], attention_mask=mask[None, 1:, :5])[0, 0]

    assert torch.allclose(beside, alone, rtol=0, atol=1e-5 * float(alone.abs()))
