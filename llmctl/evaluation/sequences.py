"""Documents as the token sequences that are scored: one each, or all in one stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TokenArray = NDArray[np.integer]


@dataclass(frozen=True)
class TokenSequence:
    """Tokens [n] and which of them are scored [n].

    Not scored are the first token (nothing predicts it) and tokens put between documents.
    """

    tokens: TokenArray
    scored: NDArray[np.bool_]


def one_each(documents: Sequence[TokenArray], prefix: int | None) -> list[TokenSequence]:
    """Every document by itself, after `prefix` (BOS or EOS); without one its first token is lost.

    >>> sequence = one_each([np.array([7, 8])], prefix=0)[0]
    >>> sequence.tokens.tolist(), sequence.scored.tolist()
    ([0, 7, 8], [False, True, True])
    """
    return [joined([document], prefix) for document in documents]


def joined(documents: Sequence[TokenArray], prefix: int | None) -> TokenSequence:
    """All documents in one stream, each after `prefix`, which is seen but not scored.

    >>> stream = joined([np.array([7, 8]), np.array([9])], prefix=0)
    >>> stream.tokens.tolist(), stream.scored.tolist()
    ([0, 7, 8, 0, 9], [False, True, True, False, True])
    """
    parts: list[TokenArray] = []
    flags: list[NDArray[np.bool_]] = []
    for document in documents:
        if prefix is not None:
            parts.append(np.array([prefix], dtype=document.dtype))
            flags.append(np.zeros(1, dtype=np.bool_))
        parts.append(document)
        flags.append(np.ones(len(document), dtype=np.bool_))
    scored = np.concatenate(flags)
    scored[0] = False
    return TokenSequence(np.concatenate(parts), scored)


def scored_counts(sequences: Sequence[TokenSequence], size: int) -> NDArray[np.int64]:
    """How often each id occurs among the scored tokens, [size]."""
    counts = np.zeros(size, dtype=np.int64)
    for sequence in sequences:
        counts += np.bincount(sequence.tokens[sequence.scored], minlength=size)
    return counts
