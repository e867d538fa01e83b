"""Layers that learn at different rates: the numbers worked by hand, for each optimizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from llmctl.models.layers import depths_of
from llmctl.training.optimizers import build_optimizers, set_rate_factor
from llmctl.training.settings import SGD, Adafactor, AdamW, Muon, Optimizer
from llmctl.training.tensors import load_optimizers, save_optimizers

PEAK = 8e-3
BY_HAND = {
    "classifier": 8e-3, "bert.pooler": 8e-3, "layer.2": 4e-3, "layer.1": 2e-3, "layer.0": 1e-3,
    "bert.embeddings": 5e-4,
}  # fmt: skip
"""A peak of 0.008, halved for each of three blocks on the way down and again for the embeddings."""
_OPTIMIZERS = [
    AdamW(layer_decay=0.5), Muon(name="muon", layer_decay=0.5), SGD(name="sgd", layer_decay=0.5),
    Adafactor(name="adafactor", learning_rate=PEAK, layer_decay=0.5),
]  # fmt: skip


def small_bert() -> torch.nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=8,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def rates(model: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: group["lr"]
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("settings", _OPTIMIZERS, ids=lambda settings: settings.name)
def test_every_layer_learns_at_its_share_of_the_rate_above_it(settings: Optimizer) -> None:
    model = small_bert()

    optimizers = build_optimizers(settings, model, PEAK, depths_of(model))
    shown = set_rate_factor(optimizers, 0.5)

    found = rates(model, optimizers)
    assert found.keys() == {name for name, _ in model.named_parameters()}
    for name, rate in found.items():
        expected = next(rate for part, rate in BY_HAND.items() if part in name)
        assert rate == pytest.approx(0.5 * expected), name
    assert shown == pytest.approx(0.5 * PEAK)


def test_without_a_decay_all_learn_alike() -> None:
    model = small_bert()

    optimizers = build_optimizers(AdamW(), model, PEAK)

    assert set(rates(model, optimizers).values()) == {PEAK}
    assert len(optimizers[0].param_groups) == 2


def test_biases_and_norms_still_do_not_decay() -> None:
    model = small_bert()

    (optimizer,) = build_optimizers(AdamW(layer_decay=0.5), model, PEAK, depths_of(model))

    for group in optimizer.param_groups:
        assert {parameter.ndim >= 2 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_state_goes_back_to_where_it_was(tmp_path: Path) -> None:
    """State is stored by name, so groups of another cut take it, too."""
    model = small_bert()
    optimizers = build_optimizers(AdamW(layer_decay=0.5), model, PEAK, depths_of(model))
    model(input_ids=torch.tensor([[1, 2]])).logits.sum().backward()
    optimizers[0].step()
    numbers = save_optimizers(optimizers, model, tmp_path / "state.safetensors")

    again = build_optimizers(AdamW(layer_decay=0.9), model, PEAK, depths_of(model))
    load_optimizers(again, model, tmp_path / "state.safetensors", numbers)

    for parameter in model.parameters():
        old, new = optimizers[0].state[parameter], again[0].state[parameter]
        assert torch.equal(old["exp_avg"], new["exp_avg"])


def test_adafactor_that_sets_its_own_rate_refuses_it() -> None:
    with pytest.raises(ValidationError, match="give learning_rate, too"):
        Adafactor(name="adafactor", layer_decay=0.5)


@pytest.mark.parametrize("decay", [0, -0.1, 1.1])
def test_a_decay_is_a_share(decay: float) -> None:
    with pytest.raises(ValidationError, match="layer_decay"):
        AdamW(layer_decay=decay)
