"""Features of any lengths → one batch, padded on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llmctl.tasks.base import Arrays, Feature
from llmctl.tasks.stacking import stacked


@dataclass(frozen=True)
class Batch:
    """What one forward pass reads; see `llmctl.training.batches.Batch`."""

    arrays: Arrays
    num_targets: tuple[int, ...]
    num_tokens: int


def make_batch(
    features: Sequence[Feature], padding: Mapping[str, int], fixed: frozenset[str] = frozenset()
) -> Batch:
    """Features of any lengths → one batch, padded on the right to the longest.

    `attention_mask` [B, L] (1 where there is a token) is made from the lengths: padding is told by
    position, never by id.

    >>> short = Feature((0,), {"input_ids": np.array([5, 6]), "labels": np.array(1)})
    >>> long = Feature((1,), {"input_ids": np.array([5, 7, 6]), "labels": np.array(0)})
    >>> batch = make_batch([short, long], {"input_ids": 0})
    >>> batch.arrays["input_ids"].tolist(), batch.arrays["labels"].tolist()
    ([[5, 6, 0], [5, 7, 6]], [1, 0])
    >>> batch.arrays["attention_mask"].tolist(), batch.num_tokens
    ([[1, 1, 0], [1, 1, 1]], 5)
    """
    arrays = {
        name: stacked([f.arrays[name] for f in features], padding.get(name, 0), name in fixed)
        for name in features[0].arrays
    }
    if "attention_mask" not in arrays:
        ones = [np.ones(f.arrays["input_ids"].shape, dtype=np.int64) for f in features]
        arrays["attention_mask"] = stacked(ones, 0, fixed=False)
    targets = tuple(sum(c) for c in zip(*(f.num_targets for f in features), strict=True))
    return Batch(arrays, targets, int(arrays["attention_mask"].sum()))
