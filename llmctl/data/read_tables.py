"""Reads CSV and TSV: a header of column names, then one record a row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence

from llmctl.data.inputs import InputFile
from llmctl.data.lines import decode_line, read_lines
from llmctl.data.opening import InputStream, open_stream, open_text
from llmctl.data.rows import MAX_LINE_BYTES, BadRow, OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

_DELIMITERS = ",;\t|"


def read_tsv(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """Columns between tabs. Quotation marks are text: TSV files are seldom written with quoting."""
    with open_stream(file, on_bytes) as raw:
        stream, encoding = open_text(raw, settings.encoding)
        header: list[str] | None = None
        for number, line in read_lines(stream):
            try:
                if line is not None and not line.strip():
                    if header is not None:
                        yield Row(number, "")
                    continue
                fields = decode_line(line, encoding).split("\t")
                if header is None:
                    header = _header(stream, fields, settings)
                    if header != fields:
                        yield _record(number, header, fields)
                    continue
                yield _record(number, header, fields)
            except RowError as error:
                yield error.at(number)


def read_csv(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """Columns between commas, semicolons, tabs or bars (whatever the header has most of)."""
    with open_stream(file, on_bytes) as raw:
        records = _CsvRecords(*open_text(raw, settings.encoding))
        header: list[str] | None = None
        for record in records:
            if isinstance(record, BadRow):
                yield record
                continue
            number, fields, lines = record
            if not fields:
                yield Row(number, "")
                continue
            try:
                if header is None:
                    header = _header(records.stream, fields, settings)
                    if header == fields:
                        continue
                yield _record(number, header, fields, lines)
            except RowError as error:
                yield error.at(number)


class _CsvRecords:
    """Records of a CSV file, each with the number of its first line and its count of lines.

    A quotation mark that opens a field and is never closed would swallow the rest of the file: only
    its line is set aside, and reading goes on with the next.
    """

    def __init__(self, stream: InputStream, encoding: str) -> None:
        self.stream = stream
        self._encoding = encoding
        self._source = read_lines(stream)
        self._again: deque[tuple[int, bytes | None]] = deque()
        self._taken: list[tuple[int, bytes | None]] = []
        self._faults: list[RowError] = []
        start = stream.peek(1 << 16).partition(b"\n")[0].decode(encoding, errors="replace")
        self.delimiter = _delimiter(start)

    def __iter__(self) -> Iterator[tuple[int, list[str], int] | BadRow]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
        reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        while True:
            self._taken, self._faults = [], []
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                number = self._taken[0][0]
                self._again.extendleft(reversed(self._taken[1:]))
                yield BadRow(number, f"not CSV: {_reason(error)}")
                reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
                continue
            number = self._taken[0][0]
            if self._faults:
                yield self._faults[0].at(number)
            else:
                yield number, fields, len(self._taken)

    def _lines(self) -> Iterator[str]:
        """Lines for the parser. One that cannot be decoded spoils its record, not the file."""
        while line := self._again.popleft() if self._again else next(self._source, None):
            self._taken.append(line)
            try:
                yield decode_line(line[1], self._encoding) + "\n"
            except RowError as error:
                self._faults.append(error)
                raw = line[1] or b""
                yield raw.decode("ascii", errors="replace").replace("\0", "") + "\n"


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return "a quotation mark is opened and never closed"
    if "expected after" in text:
        return "text after a closing quotation mark"
    return text


def _delimiter(header: str) -> str:
    """The delimiter that the header has most of outside quotation marks; a comma if it has none.

    >>> _delimiter('"a;b",c'), _delimiter("text;label")
    (',', ';')
    """
    bare = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


def _header(stream: InputStream, fields: Sequence[str], settings: ReadingSettings) -> list[str]:
    """The column names; `1`, `2` ... where the wanted column is a number and no column's name: a
    text and the label 1 are a first row, not two names."""
    names = [field.strip() for field in fields]
    wanted = settings.text_column or ""
    is_named = wanted in names and all(name.isdecimal() or not name for name in names)
    if wanted.isdecimal() and not is_named:
        return [str(number) for number in range(1, len(fields) + 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{stream.file.path}: two columns are called {twice[0]!r}")
    return list(fields) if names == list(fields) else names


def _record(number: int, header: Sequence[str], fields: Sequence[str], lines: int = 1) -> Row:
    if len(fields) != len(header):
        where = f" (lines {number} to {number + lines - 1})" if lines > 1 else ""
        raise RowError(f"{len(fields)} columns; expected {len(header)}{where}")
    return Row(number, dict(zip(header, fields, strict=True)))
