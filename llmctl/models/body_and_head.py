"""A language model taken apart into its body and its head, where it is nothing more than these.

Calling them apart skips the float32 copies that a model's own forward makes. Models that do more
between body and head (caps, scales) are found by comparing logits once.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from llmctl.models.probe import evaluating, probe_ids


def body_and_head(model: PreTrainedModel, **inputs: Any) -> torch.Tensor:
    """Logits of the body's last hidden states, whatever the body is given."""
    hidden = model.base_model(**inputs).last_hidden_state
    logits: torch.Tensor = model.get_output_embeddings()(hidden)
    return logits


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
