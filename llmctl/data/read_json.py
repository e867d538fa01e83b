"""Reads JSON: one object a line, or an array of objects or texts; strictly, row by row."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import orjson

from llmctl.data.inputs import InputFile
from llmctl.data.lines import read_lines, too_long, undecodable
from llmctl.data.opening import InputStream, check_encoding, open_stream, open_text
from llmctl.data.rows import MAX_LINE_BYTES, OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

_CHUNK_BYTES = 1 << 20
_PEEK_BYTES = 1 << 20
_KEY_END = re.compile(rb'"\s*:')
_NOT_A_NUMBER = re.compile(r"-?(NaN|Infinity)")
_SKIPPED = re.compile(r"[\s,]*")


def read_jsonl(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """One object a line."""
    with open_stream(file, on_bytes) as stream:
        yield from jsonl_rows(*open_text(stream, settings.encoding))


def jsonl_rows(stream: InputStream, encoding: str) -> Rows:
    for number, line in read_lines(stream):
        try:
            if line is None:
                raise too_long()
            if not line.strip():
                yield Row(number, "")
                continue
            value = strict_json(line if encoding == "utf-8" else _as_utf8(line, encoding))
            yield Row(number, _object(value))
        except RowError as error:
            yield error.at(number)


def read_json(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """An array of objects or texts, one object a line despite the name, or a single object.

    The rows of an object whose `data` is a list of rows are those; of a SQuAD file, its questions.
    """
    from llmctl.data.read_squad import is_squad, squad_rows  # which reads JSON as here

    with open_stream(file, on_bytes) as raw:
        stream, encoding = open_text(raw, settings.encoding)
        start = stream.peek(_PEEK_BYTES).lstrip()
        if start.startswith(b"["):
            yield from _array_rows(stream, encoding)
        elif is_squad(start):
            yield from squad_rows(stream, encoding)
        elif _is_pretty_printed(start):
            yield from _single_object(stream, encoding)
        else:
            yield from jsonl_rows(stream, encoding)


def strict_json(data: bytes) -> Any:
    """The value of one JSON text in UTF-8.

    Raises:
        RowError: it is not JSON (NaN, lone surrogates and single quotes are not), or an object has
            the same key twice.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _explained(data, error) from None
    # Each key ends in a quote and a colon. With no more of these than keys kept, none came twice.
    if isinstance(value, dict) and len(_KEY_END.findall(data)) != _number_of_keys(value):
        _refuse_duplicates(data)
    return value


def _number_of_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_number_of_keys(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(_number_of_keys(inner) for inner in value)
    return 0


def _refuse_duplicates(data: bytes) -> None:
    def check(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            raise RowError("an object has the same key twice")

    try:
        json.loads(data, object_pairs_hook=check)
    except RecursionError:
        raise RowError("nested too deeply") from None


def _explained(data: bytes, error: orjson.JSONDecodeError) -> RowError:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        return undecodable(data, "utf-8", fault.start)
    start = error.pos - text.startswith("-", max(0, error.pos - 1))
    number = _NOT_A_NUMBER.match(text, start)
    if number:
        return RowError(f"not JSON: {number.group()} at column {start + 1}")
    return RowError(f"not JSON: {error.msg} at column {error.pos + 1}")


def _as_utf8(line: bytes, encoding: str) -> bytes:
    try:
        return line.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        raise undecodable(line, encoding, error.start) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RowError(f"{_KINDS.get(type(value), 'a number')}; expected an object")
    return value


_KINDS = {list: "an array", str: "a text", type(None): "null", bool: "true or false"}


def _is_pretty_printed(start: bytes) -> bool:
    """Whether an object begins here that does not end on its first line."""
    first, newline, _ = start.partition(b"\n")
    return start.startswith(b"{") and bool(newline) and not first.rstrip().endswith(b"}")


def _single_object(stream: InputStream, encoding: str) -> Rows:
    data = b""
    while chunk := stream.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > MAX_LINE_BYTES:
            raise _not_an_array(stream, "one object of more than 64 MiB")
    try:
        yield Row(1, _object(strict_json(_as_utf8(data, encoding))))
    except RowError as error:
        raise _not_an_array(stream, error.reason) from None


def _not_an_array(stream: InputStream, reason: str) -> DataError:
    return DataError(
        f"{stream.file.path} is neither an array of objects nor one object a line: {reason}"
    )


def _array_rows(stream: InputStream, encoding: str) -> Rows:
    """The elements of an array, one after another: the file is never in memory as a whole.

    Elements are found by the standard library's scanner, then read strictly like a line of jsonl.
    """
    decoder = codecs.getincrementaldecoder(check_encoding(encoding))(errors="surrogateescape")
    scan = json.JSONDecoder().raw_decode
    buffer, position, number, ended = "", 0, 0, False
    wanted = _CHUNK_BYTES

    def more() -> None:
        nonlocal buffer, position, ended, wanted
        data = stream.read(wanted)
        ended = not data
        try:
            buffer = buffer[position:] + decoder.decode(data, final=ended)
        except UnicodeDecodeError:  # stateful encodings cannot be read past a fault
            raise _broken_array(stream, number, f"is not {encoding}") from None
        position, wanted = 0, min(2 * wanted, MAX_LINE_BYTES)

    while "[" not in buffer:
        more()
    position = buffer.index("[") + 1
    while True:
        position = _SKIPPED.match(buffer, position).end()  # type: ignore[union-attr]
        if position < len(buffer) and buffer[position] == "]":
            _refuse_more(stream, buffer[position + 1 :], number)
            return
        try:
            _, end = scan(buffer, position)
            complete = end < len(buffer) or ended
        except (json.JSONDecodeError, RecursionError):
            complete = False
            if ended or len(buffer) - position > MAX_LINE_BYTES:
                cut = position >= len(buffer)
                what = "ends before its closing bracket" if cut else "is not valid JSON"
                raise _broken_array(stream, number, what) from None
        if not complete:
            more()
            continue
        number, wanted = number + 1, _CHUNK_BYTES
        try:
            yield Row(number, _element(buffer[position:end]))
        except RowError as error:
            yield error.at(number)
        position = end


def _element(text: str) -> str | dict[str, Any]:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", errors="surrogateescape")
        raise RowError("not in the expected encoding", undecodable=raw[:4096]) from None
    value = strict_json(data)
    return value if isinstance(value, str) else _object(value)


def _refuse_more(stream: InputStream, rest: str, rows: int) -> None:
    while not rest.strip():
        data = stream.read(_CHUNK_BYTES)
        if not data:
            return
        rest = data.decode("ascii", errors="replace")
    raise DataError(f"{stream.file.path} goes on after its array of {rows:,} rows has ended")


def _broken_array(stream: InputStream, rows: int, what: str) -> DataError:
    return DataError(
        f"{stream.file.path} {what} after {rows:,} rows of its array",
        hint="JSON Lines (one object a line) can be read past a bad row; an array cannot",
    )
