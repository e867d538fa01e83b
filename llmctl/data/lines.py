"""Splits a stream at newline bytes, and at nothing else, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from llmctl.data.opening import InputStream
from llmctl.data.rows import MAX_LINE_BYTES, RowError

_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 64 << 10


def read_lines(
    stream: InputStream, limit: int = MAX_LINE_BYTES, *, cut_over: int | None = None
) -> Iterator[tuple[int, bytes | None]]:
    r"""Every line with its number from 1, without its `\n` or `\r\n`.

    U+0085, U+2028, form feeds and lone carriage returns are text, not ends of lines.

    A line of more than `limit` bytes is None: it is never held in memory as a whole. With
    `cut_over` (UTF-8 only) a line longer than that comes in pieces under one number: a corpus may
    be a single line.
    """
    number, rest = 1, b""
    too_long = cutting = False
    while chunk := stream.read(_CHUNK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for whole in lines:
            line = whole.removesuffix(b"\r")
            if cutting:
                yield from ((number, piece) for piece in _cut_at_spaces(line))
            else:
                yield number, None if too_long or len(line) > limit else line
            number += 1
            too_long = cutting = False
        if cut_over is not None and len(rest) > cut_over:
            *pieces, rest = _cut_at_spaces(rest)
            yield from ((number, piece) for piece in pieces)
            cutting = True
        if len(rest) > limit:
            too_long, rest = True, b""
    if cutting:
        yield from ((number, piece) for piece in _cut_at_spaces(rest))
    elif rest or too_long:
        yield number, None if too_long or len(rest) > limit else rest.removesuffix(b"\r")


def _cut_at_spaces(line: bytes) -> list[bytes]:
    """Pieces of at most 64 KiB that end after a space, or else between two letters of UTF-8.

    >>> [len(piece) for piece in _cut_at_spaces(b"x" * 65_000 + b" " + b"y" * 65_000)]
    [65001, 65000]
    """
    pieces, start = [], 0
    while len(line) - start > _PIECE_BYTES:
        end = line.rfind(b" ", start, start + _PIECE_BYTES) + 1
        if end <= start:
            end = start + _PIECE_BYTES
            while line[end] & 0xC0 == 0x80 and end > start + 1:  # inside a letter
                end -= 1
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def decode_line(line: bytes | None, encoding: str) -> str:
    """A line as text.

    Raises:
        RowError: the line is too long, not in this encoding, or holds a NUL character.
    """
    if line is None:
        raise too_long()
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(line, encoding, error.start) from None
    if "\0" in text:
        raise RowError("holds a NUL character", undecodable=line[:4096])
    return text


def too_long() -> RowError:
    return RowError(f"longer than {MAX_LINE_BYTES >> 20} MiB")


def undecodable(line: bytes, encoding: str, position: int) -> RowError:
    start = max(0, position - 2048)
    return RowError(
        f"not {encoding} at byte {position + 1} of the line",
        undecodable=line[start : position + 2048],
    )
