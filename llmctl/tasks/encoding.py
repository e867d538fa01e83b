"""Texts → features with a tokenizer: many at once, cut where they are too long, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmctl.tasks.base import Arrays

TOKEN_TYPES = "token_type_ids"  # noqa: S105


def encode_texts(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
) -> tuple[list[Arrays], list[bool]]:
    """`input_ids`, and `token_type_ids` where the tokenizer's model reads them, of every text.

    Of a pair that is too long, tokens are taken from the end of the longer text.

    Returns:
        the arrays [L] of each text, and whether it was cut.
    """
    if not texts:
        return [], []
    found = tokenizer(
        list(texts), list(pairs) if pairs is not None else None, truncation="longest_first",
        max_length=max_length, return_attention_mask=False, return_overflowing_tokens=True,
        verbose=False,
    )  # fmt: skip
    # A text that was cut comes with its overflow as further rows: the first of each is kept.
    sample = found["overflow_to_sample_mapping"]
    first = [place for place, of in enumerate(sample) if place == 0 or sample[place - 1] != of]
    counts = np.bincount(np.asarray(sample), minlength=len(texts))
    names = [name for name in ("input_ids", TOKEN_TYPES) if name in found]
    arrays = [
        {name: np.asarray(found[name][place], dtype=np.int64) for name in names} for place in first
    ]
    return arrays, [bool(count > 1) for count in counts]
