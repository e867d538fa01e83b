"""Reads plain text: a document is a file, a paragraph, a line, or a piece of a long file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from llmctl.data.inputs import InputFile
from llmctl.data.lines import decode_line, read_lines
from llmctl.data.opening import InputStream, open_stream, open_text
from llmctl.data.rows import BadRow, OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

LONG_FILE_BYTES = 64 << 10
PIECE_BYTES = 16 << 10
LONG_LINE_BYTES = 1 << 20
LARGEST_FILE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    size: int

    @property
    def is_blank(self) -> bool:
        return not self.text or self.text.isspace()


_Lines = Iterator[_Line | BadRow]
_Ends = Callable[[_Line, int], bool]
"""Whether a document ends with this line, given its bytes so far."""


def read_text(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """The documents of a text file; lines that cannot be decoded are left out and reported."""
    with open_stream(file, on_bytes) as stream:
        yield from text_rows(stream, settings)


def text_rows(stream: InputStream, settings: ReadingSettings) -> Rows:
    if file_is_binary(stream):
        raise DataError(
            f"{stream.file.path} is not text",
            hint="known endings: .txt .md .jsonl .json .csv .tsv .parquet, also with .gz or .zst",
        )
    text, encoding = open_text(stream, settings.encoding)
    if settings.text_unit == "auto":
        return _auto(_lines(text, encoding, LONG_LINE_BYTES if encoding == "utf-8" else None))
    lines = _lines(text, encoding)
    if settings.text_unit == "file":
        return _cut(lines, _never_too_large(stream.file.path))
    if settings.text_unit == "paragraph":
        return _cut(lines, lambda line, size: line.is_blank or size > LARGEST_FILE_BYTES)
    return (line if isinstance(line, BadRow) else Row(line.number, line.text) for line in lines)


def file_is_binary(stream: InputStream) -> bool:
    """Whether a file whose name promises nothing begins like a zip, a PDF, an image ..."""
    start = stream.peek(8)
    return start.startswith(
        (b"PK\x03\x04", b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"\x7fELF", b"PAR1")
    )


def _lines(stream: InputStream, encoding: str, cut_over: int | None = None) -> _Lines:
    for number, line in read_lines(stream, cut_over=cut_over):
        try:
            yield _Line(number, decode_line(line, encoding), len(line or b"") + 1)
        except RowError as error:
            yield error.at(number)


def _auto(lines: _Lines) -> Rows:
    """A short file whole; a long one in pieces, so that one book can be split for validation."""
    start: list[_Line | BadRow] = []
    size = 0
    for line in lines:
        start.append(line)
        size += 0 if isinstance(line, BadRow) else line.size
        if size > LONG_FILE_BYTES:
            has_blanks = any(isinstance(line, _Line) and line.is_blank for line in start)
            ends = _at_blank_line if has_blanks else _at_any_line
            return _cut(chain(start, lines), ends)
    return _cut(start, lambda _line, _size: False)


def _at_blank_line(line: _Line, size: int) -> bool:
    return size >= 2 * PIECE_BYTES or (size >= PIECE_BYTES and line.is_blank)


def _at_any_line(_: _Line, size: int) -> bool:
    return size >= PIECE_BYTES


def _never_too_large(path: str) -> _Ends:
    def ends(_: _Line, size: int) -> bool:
        if size > LARGEST_FILE_BYTES:
            raise DataError(
                f"{path} has more than {LARGEST_FILE_BYTES >> 20} MiB, too much for one document",
                hint="--text-unit auto (in a recipe: data.text_unit=auto)",
            )
        return False

    return ends


def _cut(lines: Iterable[_Line | BadRow], ends: _Ends) -> Rows:
    """Join lines into documents, without the blank lines at their borders."""
    held: list[_Line] = []
    size = 0
    for line in lines:
        if isinstance(line, BadRow):
            yield line
            continue
        if not held and line.is_blank:
            continue
        held.append(line)
        size += line.size
        if ends(line, size):
            yield _joined(held)
            held, size = [], 0
    if held:
        yield _joined(held)


def _joined(held: list[_Line]) -> Row:
    end = len(held)
    while held[end - 1].is_blank:
        end -= 1
    return Row(held[0].number, "\n".join(line.text for line in held[:end]), lines=len(held))
