"""Reads CoNLL files: a word and its tags on a line, sentences between blank lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llmctl.data.inputs import InputFile
from llmctl.data.lines import decode_line, read_lines
from llmctl.data.opening import InputStream, open_stream, open_text
from llmctl.data.rows import BadRow, OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

_PEEK_BYTES = 1 << 16
_LONGEST_SENTENCE = 100_000
_BLANKS = re.compile(" +")
_DOCUMENT_MARK = "-DOCSTART-"
_COMMENT = re.compile(r"#\s*\S+ = ")
_NO_WORD = re.compile(r"\d+[-.]\d+")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How many columns the lines of a file have, and whether tabs or blanks stand between them."""

    width: int
    tabs: bool


class _Line(NamedTuple):
    number: int
    text: str
    columns: list[str]

    @property
    def shape(self) -> _Shape:
        return _Shape(len(self.columns), "\t" in self.text)


def read_conll(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """The sentences of a CoNLL file.

    A row is `{"columns": [[...], [...]], "lines": [...]}`: each column as a list of its words, and
    the number of each word's line. Which column is the word and which the tag, its reader says.

    Columns stand between tabs, or between blanks in lines without a tab. Lines that hold nothing or
    only white space end a sentence. Left out are `-DOCSTART-` lines, comments (lines before a
    sentence that begin with `#` and are no word of it: `#<tab>O` is one), and, where the first
    column counts the words, the ranges `1-2` and empty words `1.1` of CoNLL-U.

    A sentence with a line of more or fewer columns than the file has is a bad row.

    Raises:
        DataError: no blank line within 100,000 lines.
    """
    with open_stream(file, on_bytes) as raw:
        stream, encoding = open_text(raw, settings.encoding)
        shape = _shape(stream, encoding)
        for block in _blocks(stream, encoding):
            row = _sentence(block, shape)
            if row is not None:
                yield row


def _blocks(stream: InputStream, encoding: str) -> Iterator[list[tuple[int, str | RowError]]]:
    """The lines between blank lines, with their numbers."""
    block: list[tuple[int, str | RowError]] = []
    for number, line in read_lines(stream):
        try:
            text: str | RowError = decode_line(line, encoding)
        except RowError as error:
            text = error
        if not isinstance(text, str) or text.strip():
            block.append((number, text))
            if len(block) > _LONGEST_SENTENCE:
                raise DataError(
                    f"{stream.file.path} has no blank line between lines {block[0][0]} and "
                    f"{number}; CoNLL files have one after each sentence"
                )
        elif block:
            yield block
            block = []
    if block:
        yield block


def _sentence(block: Sequence[tuple[int, str | RowError]], shape: _Shape) -> Row | BadRow | None:
    """The row of a sentence; None of lines that hold no word."""
    lines: list[_Line] = []
    for number, text in block:
        if isinstance(text, RowError):
            return text.at(number)
        if not text.startswith(_DOCUMENT_MARK):
            lines.append(_Line(number, text, _columns(text)))
    lines = _without_comments(lines, shape)
    for line in lines:
        if len(line.columns) != shape.width:
            found = len(line.columns)
            return BadRow(
                line.number, f"{found} column{'' if found == 1 else 's'}; expected {shape.width}, "
                "as most of the file has",
            )  # fmt: skip
    lines = _without_ranges(lines)
    if not lines:
        return None
    by_column = [list(column) for column in zip(*(line.columns for line in lines), strict=True)]
    value = {"columns": by_column, "lines": [line.number for line in lines]}
    return Row(lines[0].number, value, lines=len(lines))


def _columns(text: str) -> list[str]:
    r"""
    >>> _columns("New York\tB-LOC"), _columns("EU  NNP B-ORG ")
    (['New York', 'B-LOC'], ['EU', 'NNP', 'B-ORG'])
    """
    if "\t" in text:
        return [column.strip(" ") for column in text.split("\t")]
    return _BLANKS.split(text.strip(" "))


def _without_comments(lines: list[_Line], shape: _Shape) -> list[_Line]:
    """Only lines before the first word are comments; a word may begin with `#` too."""
    start = 0
    while start < len(lines) and lines[start].text.startswith("#"):
        start += 1
    words = [
        line
        for line in lines[:start]
        if line.shape == shape and (shape.tabs or not _COMMENT.match(line.text))
    ]
    return words + lines[start:]


def _without_ranges(lines: list[_Line]) -> list[_Line]:
    """Without the lines of CoNLL-U that are no words, where the first column counts the words."""
    words = [line for line in lines if not _NO_WORD.fullmatch(line.columns[0])]
    counted = [str(number) for number in range(1, len(words) + 1)]
    if words and len(words[0].columns) > 2 and [line.columns[0] for line in words] == counted:
        return words
    return lines


def _shape(stream: InputStream, encoding: str) -> _Shape:
    """What most lines at the beginning of a file look like."""
    data = stream.peek(_PEEK_BYTES)
    lines = data.decode(encoding, errors="replace").split("\n")
    if len(data) == _PEEK_BYTES:
        lines.pop()  # perhaps cut
    found: Counter[_Shape] = Counter()
    for text in (line.removesuffix("\r") for line in lines):
        if text.strip() and not text.startswith(("#", _DOCUMENT_MARK)):
            found[_Line(0, text, _columns(text)).shape] += 1
    return found.most_common(1)[0][0] if found else _Shape(1, tabs=False)
