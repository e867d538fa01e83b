"""A language model taken apart into its body and its head, where it is nothing more than these.

Calling them apart skips the float32 copies that a model's own forward makes. Models that do more
between body and head (caps, scales) are found by comparing logits once.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from llmctl.models.probe import evaluating, probe_ids


def body_and_head(
    model: PreTrainedModel, positions: torch.Tensor | None = None, **inputs: Any
) -> torch.Tensor:
    """Logits of the body's last hidden states, whatever the body is given; [B, T, V] at positions
    [B, T] if any are named."""
    hidden = model.base_model(**inputs).last_hidden_state
    if positions is not None:
        hidden = at_positions(hidden, positions)
    logits: torch.Tensor = model.get_output_embeddings()(hidden)
    return logits


def at_positions(values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Of values [B, L, D] those at places [B, T] of their row: [B, T, D].

    >>> at_positions(torch.tensor([[[5], [6], [7]]]), torch.tensor([[2, 0]])).tolist()
    [[[7], [5]]]
    """
    return values.gather(1, positions[:, :, None].expand(-1, -1, values.shape[-1]))


@torch.no_grad()
def is_body_and_head(model: PreTrainedModel, **options: Any) -> bool:
    """Whether the model's own forward gives the same.

    Args:
        options: such as `use_cache=False`.
    """
    if model.get_output_embeddings() is None or model.base_model is model:
        return False
    with evaluating(model):
        inputs = {"input_ids": probe_ids(model), **options}
        return torch.equal(body_and_head(model, **inputs), model(**inputs).logits)
