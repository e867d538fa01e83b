"""Heads of finetuning: logits for a whole row, for each of its tokens, or for its choices.

The classes of transformers are called as they are, with two differences: rows without padding get
no mask, and a decoder reads its answer at the last place that is not padding, told by the mask
(transformers looks for the padding id, which may be a token of the text).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from llmctl.models import attention
from llmctl.models.families import FAMILIES


class TaskLogits(torch.nn.Module):
    """Wraps a model with a task's head; a call gives its logits, in whatever shape the head has:
    [B, C] for rows, [B, L, C] for tokens, [B, C] for C choices [B, C, L]."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        output = self.model(**_prepared(self.model, inputs))
        logits: torch.Tensor = output.logits
        return logits


class SpanLogits(TaskLogits):
    """Logits [B, L, 2] of where an answer starts and where it ends (Devlin et al. 2019, 4.2)."""

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        output = self.model(**_prepared(self.model, inputs))
        return torch.stack([output.start_logits, output.end_logits], dim=-1)


class SequenceLogits(TaskLogits):
    """Logits [B, C] of a row: by its first token in an encoder, by its last one in a decoder."""

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        if not hasattr(self.model, "score"):
            return super().forward(**inputs)
        mask = inputs.pop("attention_mask", None)
        hidden = self.model.base_model(**inputs, use_cache=False).last_hidden_state
        last = hidden.shape[1] - 1 if mask is None else mask.sum(1) - 1
        rows = torch.arange(len(hidden), device=hidden.device)
        logits: torch.Tensor = self.model.score(hidden[rows, last])
        return logits


def _prepared(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What the model is called with. Our attention takes masks of four dimensions only, and a model
    that chooses between answers would flatten these."""
    prepared: dict[str, Any] = dict(inputs)
    mask = prepared.get("attention_mask")
    if mask is not None and model.config._attn_implementation == attention.NAME:
        assert mask.dim() == 2, "rows of choices need transformers' own attention"
        prepared["attention_mask"] = mask[:, None, None, :].bool()
    family = FAMILIES.get(model.config.model_type)
    if family is not None and family.positions_after_padding:
        ids = prepared["input_ids"]
        places = torch.arange(ids.shape[-1], device=ids.device) + model.config.pad_token_id + 1
        prepared["position_ids"] = places.expand_as(ids)
    return prepared
