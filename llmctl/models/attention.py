"""Our causal attention for training: no mask tensor, and the faster of two paths on a CPU.

Registered with transformers under the name `llmctl`. transformers builds a mask for the attention
functions it knows; under torch.compile that mask is always there and switches flash kernels off
(transformers #41856). A name without a mask function gets none, so this one may be used only where
rows have no padding before their end and the whole past is visible: `build.choose_attention` sees
to that.

Shape letters: `B` rows, `H` heads, `K` key-value heads, `L` length, `E` width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

NAME = "llmctl"

# Up to these lengths plain matrix products beat scaled_dot_product_attention on a CPU: measured on
# two Zen 4 cores, forwards and backwards (bfloat16 1.5 to 3.3 times; float32 even at 256).
_PLAIN_UP_TO = {torch.bfloat16: 512, torch.float32: 192}


def causal_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of query [B, H, L, E] on key and value [B, K, L, E]; gives [B, L, H, E]."""
    assert attention_mask is None, "rows with padding need transformers' own attention"
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    probability = dropout if module.training else 0.0
    length = query.shape[-2]
    if query.device.type == "cpu" and length <= _PLAIN_UP_TO.get(query.dtype, 0):
        output = _plain(query, key, value, scale, probability)
    else:
        output = F.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=probability,
            is_causal=True,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
    return output.transpose(1, 2).contiguous(), None


def _plain(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, dropout: float
) -> torch.Tensor:
    if query.shape[1] != key.shape[1]:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = torch.matmul(query * scale, key.transpose(-1, -2))
    length = query.shape[-2]
    future = torch.ones(length, length, dtype=torch.bool, device=query.device).triu_(1)
    weights = torch.softmax(scores.masked_fill_(future, float("-inf")), dim=-1)
    if dropout:
        weights = F.dropout(weights, dropout)
    return torch.matmul(weights, value)


def register() -> None:
    """Make the name `llmctl` known to transformers; doing it twice does nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, causal_attention)
