"""A document: one text with an id that stays the same from run to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One text, where it came from, and whatever its row held beside the text.

    `id` is a hash of the source's name, the place in it and the text: reading the same file again
    gives the same ids.
    """

    id: str
    text: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
