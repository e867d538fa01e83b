"""What training calls: token ids in, logits out; nothing is computed that the loss does not use."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


class CausalLogits(torch.nn.Module):
    """Wraps a causal model so that a call gives its logits [B, L, V] and no cache.

    The body and the head are called apart, which skips the float32 copies that the model's own
    forward makes. Models that do more between body and head (caps, scales) are found by comparing
    logits once, and are called whole.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.head_apart = _is_body_and_head(model)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        if not self.head_apart:
            whole: torch.Tensor = self.model(input_ids=input_ids, use_cache=False).logits
            return whole
        logits: torch.Tensor = _body_and_head(self.model, input_ids)
        return logits


def _body_and_head(model: PreTrainedModel, input_ids: torch.Tensor) -> torch.Tensor:
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
    logits: torch.Tensor = model.get_output_embeddings()(hidden)
    return logits


@torch.no_grad()
def _is_body_and_head(model: PreTrainedModel) -> bool:
    if model.get_output_embeddings() is None or model.base_model is model:
        return False
    was_training = model.training
    model.eval()
    ids = torch.arange(8, device=model.device)[None] % model.config.vocab_size
    same = torch.equal(_body_and_head(model, ids), model(input_ids=ids, use_cache=False).logits)
    model.train(was_training)
    return same
