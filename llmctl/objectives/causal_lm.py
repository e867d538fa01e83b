"""Causal language modelling: predict each token from those before it (Radford et al. 2018, eq. 1).

tokens   [[5, 6, 7, 8]]          a window of L + 1 tokens
inputs   [[5, 6, 7]]
labels   [[6, 7, 8]]             the same window, one further
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llmctl.objectives.base import IGNORED_LABEL, Batch, Int64Array, Objective

if TYPE_CHECKING:
    import torch


class CausalLM(Objective):
    """Causal language modelling."""

    name: Literal["causal_lm"] = Field("causal_lm", description="Predict the next token")
    architecture: ClassVar[Literal["encoder", "decoder", "encoder-decoder"]] = "decoder"

    def window(self, block_length: int) -> tuple[int, int]:
        """One token more than is predicted; rows share their border token, so none is lost."""
        return block_length + 1, block_length

    def make_batch(
        self, tokens: NDArray[Any], lengths: Int64Array, rows: Int64Array, seed: int
    ) -> Batch:
        """Inputs and labels are two views of one window. Nothing here is random.

        >>> batch = CausalLM().make_batch(np.array([[5, 6, 7, 0]]), np.array([3]), None, 0)
        >>> batch.arrays["input_ids"].tolist(), batch.arrays["labels"].tolist()
        ([[5, 6, 7]], [[6, 7, -100]])
        >>> batch.num_targets
        2
        """
        del rows, seed
        labels = tokens[:, 1:].astype(np.int64)
        labels[np.arange(1, tokens.shape[1]) >= lengths[:, None]] = IGNORED_LABEL
        inputs = tokens[:, :-1].astype(np.int64)
        return Batch({"input_ids": inputs, "labels": labels}, int((lengths - 1).sum()))

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Summed cross-entropy in nats. `model` gives logits [B, L, V]."""
        import torch.nn.functional as F

        logits = model(batch["input_ids"])
        # On a CPU, cross-entropy on bfloat16 logits saves the float32 copy while training; each
        # token's loss is still summed in float32. Validation is always computed in float32.
        if logits.is_cuda or not model.training:
            logits = logits.float()
        losses = F.cross_entropy(
            logits.flatten(0, 1),
            batch["labels"].flatten(),
            ignore_index=IGNORED_LABEL,
            reduction="none",
        )
        return losses.float().sum()
