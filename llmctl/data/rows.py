"""What every reader yields: rows, and rows that cannot be used with the reason why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_LINE_BYTES = 64 << 20

OnBytes = Callable[[int], None]
"""Told how many bytes of a source have been read since the last call, for progress."""


@dataclass(frozen=True, slots=True)
class Row:
    """A piece of text, or the columns of a record.

    `number` is the line it begins on, from 1; in formats without lines, the number of the row.
    """

    number: int
    value: str | dict[str, Any]
    lines: int = 1


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used. The reason never repeats its content, which may be private."""

    number: int
    reason: str
    undecodable: bytes = b""
    """Bytes that are not in the expected encoding, from which the real one can be guessed."""


class RowError(Exception):
    """Raised while one row is turned into a document; reading goes on with the next."""

    def __init__(self, reason: str, undecodable: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.undecodable = reason, undecodable

    def at(self, number: int) -> BadRow:
        return BadRow(number, self.reason, self.undecodable)


Rows = Iterator[Row | BadRow]
