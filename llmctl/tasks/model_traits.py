"""What a task must know of the model before it encodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What a task must know of the model before it encodes.

    Attributes:
        longest_row: tokens of a row that it takes at most; None: of any length.
        isolates: several pieces may share a row without seeing each other.
        start_id: what its decoder reads first; None where it has no decoder of its own, or where
            that goes by the tokenizer.
        start_token: which token of the tokenizer it then is.
    """

    longest_row: int | None = None
    isolates: bool = False
    start_id: int | None = None
    start_token: Literal["pad", "eos"] | None = None
