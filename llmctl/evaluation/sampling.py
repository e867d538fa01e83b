"""Choose the next token of each row: the likeliest, or one drawn by a random number of its own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from llmctl.randomness import derive_seed


def random_numbers(seed: int, row: int, count: int) -> NDArray[np.float64]:
    """The random numbers of one row, in [0, 1): the same whatever else is in its batch.

    >>> bool((random_numbers(1, 7, 3)[:2] == random_numbers(1, 7, 2)).all())
    True
    """
    key = derive_seed(seed, "sample", row)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def choose_likeliest(logits: torch.Tensor) -> torch.Tensor:
    """The index of the highest logit of each row, the first of equals. [B, V] → [B]"""
    return logits.argmax(dim=-1)


def choose_drawn(
    logits: torch.Tensor,
    numbers: torch.Tensor,
    *,
    temperature: float,
    top_k: int | None = None,
    top_p: float | None = None,
) -> torch.Tensor:
    """Draw one token a row: the one where the cumulated probabilities pass the row's number.

    The softmax and its sums are in float64, so that another batch, which changes a logit's last
    bits, practically never changes what is drawn.

    Args:
        logits: [B, V].
        numbers: [B] in [0, 1).

    Returns: [B]
    """
    scaled = logits.double() / temperature
    if top_k is not None:
        scaled = keep_top_k(scaled, top_k)
    if top_p is not None:
        scaled = keep_top_p(scaled, top_p)
    cumulated = scaled.softmax(dim=-1).cumsum(dim=-1)
    targets = numbers.to(cumulated)[:, None] * cumulated[:, -1:]
    return torch.searchsorted(cumulated, targets, right=True)[:, 0].clamp_(max=logits.shape[1] - 1)


def keep_top_k(logits: torch.Tensor, count: int) -> torch.Tensor:
    """Only the `count` highest of each row, and their equals; the rest is -inf (Fan et al. 2018).

    >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
    [[-inf, 3.0, 2.0]]
    """
    lowest = logits.topk(min(count, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < lowest, -torch.inf)


def keep_top_p(logits: torch.Tensor, share: float) -> torch.Tensor:
    """Only the fewest of each row whose probabilities sum to `share`; the rest is -inf.

    Nucleus sampling, Holtzman et al. 2020, section 3.1.

    >>> keep_top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.6).exp().isfinite().tolist()
    [[True, True, True]]
    """
    ordered, places = logits.sort(dim=-1, descending=True, stable=True)
    before = ordered.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
    before[..., 0] = 0.0
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, places, before >= share)
    return logits.masked_fill(dropped, -torch.inf)
