"""The loss of tokens that a model has to write, summed by row, and what follows from such sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from llmctl.metrics.base import FloatArray, Measured, Number

if TYPE_CHECKING:
    import torch

NO_TARGET = -100
"""A label that is no target: it adds nothing to the loss and nothing to the count."""

_NUMBERS = (
    Number("perplexity", 1.0, np.inf, higher_is_better=False),
    Number("loss", 0.0, np.inf, higher_is_better=False, unit="nats"),
)


def losses_by_row(
    logits: torch.Tensor, labels: torch.Tensor, *, training: bool, smoothing: float = 0.0
) -> dict[str, torch.Tensor]:
    """Cross-entropy in nats of the targets of each row: `losses` [B], float32, and `targets` [B].

    Two numbers a row are all that is kept of a forward pass: no logits.

    Args:
        logits: [B, T, V].
        labels: [B, T], -100 where there is no target.
        smoothing: share of each target that is spread over the vocabulary (Szegedy et al. 2016,
            section 7); held-out rows are measured without.
    """
    import torch.nn.functional as F

    # On a CPU, cross-entropy on bfloat16 logits saves the float32 copy while training; each
    # token's loss is still summed in float32.
    if logits.is_cuda or not training:
        logits = logits.float()
    losses = F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=NO_TARGET, reduction="none",
        label_smoothing=smoothing if training else 0.0,
    )  # fmt: skip
    return {
        "losses": losses.float().view(labels.shape).sum(1),
        "targets": (labels != NO_TARGET).sum(1),
    }


def answer_perplexity(outputs: Sequence[Any]) -> Measured:
    """Perplexity of answers, and their loss per token: exp and mean of the summed losses.

    Args:
        outputs: of each feature `losses` and `targets`, as `losses_by_row` gives them.

    Returns:
        `perplexity` and `loss`. Statistics of a feature (an example each, where nothing is packed):
        its summed loss and its targets.

    >>> rows = [{"losses": 6.0, "targets": 4}, {"losses": 2.0, "targets": 4}]
    >>> answer_perplexity(rows).values()  # 8 nats over 8 tokens
    {'perplexity': 2.718281828459045, 'loss': 1.0}
    """
    statistics = np.array(
        [[float(one["losses"]), float(one["targets"])] for one in outputs], dtype=np.float64
    ).reshape(-1, 2)
    return Measured(
        _NUMBERS, statistics, from_sums=_perplexity_of_sums,
        signature={"targets": "answers, their ends included", "version": 1},
    )  # fmt: skip


def _perplexity_of_sums(sums: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        loss = sums[..., :1] / sums[..., 1:]
        return np.concatenate([np.exp(loss), loss], axis=-1)
