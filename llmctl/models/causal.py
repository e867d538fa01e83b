"""Head `causal`: logits of the next token, everywhere or where they are asked for."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from llmctl.models.body_and_head import at_positions, body_and_head, is_body_and_head
from llmctl.models.isolation import (
    as_attention_mask,
    causal_in_piece,
    isolates,
    refuse_several_pieces,
    restarted_positions,
)


class CausalLogits(torch.nn.Module):
    """Wraps a causal model so that a call gives logits and no cache.

    The body and the head are called apart, see `body_and_head`; a model that does more between them
    is called whole.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.isolates = isolates(model)
        self.head_apart = is_body_and_head(model, use_cache=False)

    def forward(
        self,
        input_ids: torch.Tensor,
        pieces: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits [B, L, V] of `input_ids` [B, L]; with `pieces` [B, L], each reads only itself.

        Args:
            positions: [B, T] places in each row where logits are wanted, and [B, T, V] the result:
                of prompts and answers, only the answers' are.
        """
        inputs: dict[str, torch.Tensor] = {"input_ids": input_ids}
        if pieces is not None:
            if self.isolates:
                inputs["attention_mask"] = as_attention_mask(self.model, causal_in_piece(pieces))
                inputs["position_ids"] = restarted_positions(pieces)
            else:  # padding stands at the end, where nothing before it looks
                refuse_several_pieces(self.model, pieces)
        if self.head_apart:
            return body_and_head(self.model, positions, **inputs, use_cache=False)
        whole: torch.Tensor = self.model(**inputs, use_cache=False).logits
        return whole if positions is None else at_positions(whole, positions)
