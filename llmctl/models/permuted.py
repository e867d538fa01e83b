"""Head `permuted`: an XLNet predicts tokens of a row from those before them in any order.

Yang et al. 2019, sections 2.2 and 2.3 (two streams: one has read a place's token, the other only
knows the place).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from llmctl.models.body_and_head import body_and_head, is_body_and_head
from llmctl.models.isolation import same_piece

_OF_SEGMENTS = ("seg_embed", "r_s_bias")


class PermutedLogits(torch.nn.Module):
    """Wraps XLNetLMHeadModel; a call gives the logits [B, M, V] of M targets a row.

    No segments are given, so their parameters are kept out of training: processes that average
    gradients would wait for theirs.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        for name, parameter in model.named_parameters():
            if name.endswith(_OF_SEGMENTS):
                parameter.requires_grad_(False)
        self.head_apart = is_body_and_head(model, use_mems=False)

    def forward(
        self,
        input_ids: torch.Tensor,
        perm_mask: torch.Tensor,
        target_mapping: torch.Tensor,
        pieces: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits [B, M, V] of the targets.

        A target must have a token before it in the order (of its piece): the class gives one that
        has none the mean of the whole row, itself included.

        Args:
            input_ids: [B, L].
            perm_mask: [B, L, L], not 0 where the first place must not see the second.
            target_mapping: [B, M, L], 1 at the place of each target.
            pieces: [B, L], see `isolation`; nothing looks out of its piece.
        """
        dtype = self.model.dtype
        hidden_from = perm_mask.to(dtype)
        if pieces is not None:
            apart = ~same_piece(pieces, pieces)[:, 0]
            hidden_from = hidden_from.masked_fill(apart, 1.0)
        inputs: dict[str, Any] = {
            "input_ids": input_ids, "perm_mask": hidden_from,
            "target_mapping": target_mapping.to(dtype), "use_mems": False,
        }  # fmt: skip
        if self.head_apart:
            return body_and_head(self.model, **inputs)
        whole: torch.Tensor = self.model(**inputs).logits
        return whole
