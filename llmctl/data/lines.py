"""Splits a stream at newline bytes, and at nothing else, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from llmctl.data.opening import InputStream
from llmctl.data.rows import MAX_LINE_BYTES, RowError

_CHUNK_BYTES = 1 << 20


def read_lines(
    stream: InputStream, limit: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, bytes | None]]:
    r"""Every line with its number from 1, without its `\n` or `\r\n`.

    A line of more than `limit` bytes is None: it is never held in memory as a whole. U+0085,
    U+2028, form feeds and lone carriage returns are text, not ends of lines.
    """
    number, rest, too_long = 0, b"", False
    while chunk := stream.read(_CHUNK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            yield number, None if too_long or len(line) > limit else line.removesuffix(b"\r")
            too_long = False
        if len(rest) > limit:
            too_long, rest = True, b""
    if rest or too_long:
        yield number + 1, None if too_long or len(rest) > limit else rest.removesuffix(b"\r")


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
