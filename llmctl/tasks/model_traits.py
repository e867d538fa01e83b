"""What a task must know of the model before it encodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What a task must know of the model before it encodes.

    Attributes:
        longest_row: tokens of a row that it takes at most; None: of any length.
        isolates: several pieces may share a row without seeing each other.
        start_id: what its decoder reads first; None where there is no decoder of its own.
    """

    longest_row: int | None = None
    isolates: bool = False
    start_id: int | None = None
