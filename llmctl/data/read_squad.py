"""Reads questions about texts: SQuAD v1 and v2, CMRC and DRCD files, and flat rows of the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from llmctl.data.inputs import InputFile
from llmctl.data.opening import InputStream, open_stream, open_text
from llmctl.data.read_json import jsonl_rows, read_json, strict_json
from llmctl.data.rows import BadRow, OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

_CHUNK_BYTES = 1 << 20
_LARGEST_BYTES = 1 << 30
_FIRST_LIST = re.compile(
    rb'\s*\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+)\s*,\s*)*"(?:data|paragraphs)"\s*:'
    rb"\s*\[\s*[\]{]"
)
_NAMES = {"query_text": "question", "query_id": "id", "context_text": "context"}
"""The words of the first CMRC files, and ours."""
_LISTS = ("data", "paragraphs", "qas")
"""From the outside in, what holds what; each may be missing."""
_COLUMN = re.compile(r" at column (\d+)$")


def read_squad(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """The questions of a file, a row for each.

    A row is `{"id", "title", "context", "question", "answers": {"text": [...], "answer_start":
    [...]}, "is_impossible"}`, with the keys that the file has. Read are:

    - an object whose `data` is a list of articles with `paragraphs`, of paragraphs with `qas`, or
      of flat rows;
    - an array of articles, paragraphs or flat rows; in the first CMRC files paragraphs have
      `context_text`, and answers no place;
    - flat rows, articles or paragraphs, one a line.

    A row's number is that of the question in its file, from 1; of one a line, the line.

    Raises:
        DataError: not JSON, or of another shape.
    """
    with open_stream(file, on_bytes) as raw:
        stream, encoding = open_text(raw, settings.encoding)
        if is_squad(stream.peek(_CHUNK_BYTES)):
            yield from squad_rows(stream, encoding)
            return
    for row in read_json(replace(file, format="json"), settings, on_bytes):
        if isinstance(row, Row) and isinstance(row.value, dict) and _is_nested(row.value):
            # All questions of one line have its number; it counts as one that can be bad.
            yield from (_at(question, row.number) for question in _questions(row.value))
        else:
            yield row


def is_squad(start: bytes) -> bool:
    """Whether a file begins as an object whose first list is `data` or `paragraphs`, of objects.

    >>> is_squad(b'{"version": "1.1", "data": [{"title": ""}]}'), is_squad(b'{"data": [1, 2]}')
    (True, False)
    """
    return _FIRST_LIST.match(start) is not None


def squad_rows(stream: InputStream, encoding: str) -> Rows:
    """The questions of a file that `is_squad`; its rows if it turns out to have one a line."""
    if _has_one_object_a_line(stream):
        yield from jsonl_rows(stream, encoding)
        return
    top = _whole(stream, encoding)
    for number, question in enumerate(_questions(top), 1):
        yield _at(question, number)


def _at(question: dict[str, Any] | RowError, number: int) -> Row | BadRow:
    return question.at(number) if isinstance(question, RowError) else Row(number, question)


def _has_one_object_a_line(stream: InputStream) -> bool:
    first, newline, rest = stream.peek(_CHUNK_BYTES).partition(b"\n")
    if not newline or not rest.lstrip().startswith(b"{"):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(stream: InputStream, encoding: str) -> dict[str, Any]:
    """The object of a file, which is read as a whole: SQuAD's largest has 42 MB."""
    path = stream.file.path
    chunks = []
    size = 0
    while chunk := stream.read(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > _LARGEST_BYTES:
            raise DataError(
                f"{path} is one object of more than {_LARGEST_BYTES >> 30} GiB",
                hint="a file with one question a line can be of any size",
            )
    data = b"".join(chunks)
    try:
        if encoding != "utf-8":
            data = data.decode(encoding).encode("utf-8")
        top: dict[str, Any] = strict_json(data)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not {encoding} at byte {error.start + 1}") from None
    except RowError as error:
        reason = _COLUMN.sub("", error.reason)
        raise DataError(f"{path}{_place(data, error)}: {reason}") from None
    return top


def _place(data: bytes, error: RowError) -> str:
    """`:LINE:COLUMN` of a fault; the error counts the characters of the whole file as columns."""
    found = _COLUMN.search(error.reason)
    if found is None:
        return ""
    before = data.decode("utf-8")[: int(found.group(1)) - 1]
    return f":{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def _is_nested(value: Mapping[str, Any]) -> bool:
    return any(isinstance(value.get(key), list) for key in _LISTS)


def _questions(node: Any, above: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """The rows below a node, or the error that stands for one, in their order.

    Args:
        node: the top, an article, a paragraph, a question or a flat row.
        above: title and context, from the nodes around.
    """
    if not isinstance(node, dict):
        yield RowError(f"{'a list' if isinstance(node, list) else 'a value'}; expected an object")
        return
    node = {_NAMES.get(key, key): value for key, value in node.items()}
    for key in _LISTS if above is None else _LISTS[1:]:
        if isinstance(node.get(key), list):
            shared = {k: node[k] for k in ("title", "context") if k in node}
            for inner in node[key]:
                yield from _questions(inner, {**(above or {}), **shared})
            return
    try:
        yield _question({**(above or {}), **node})
    except RowError as error:
        yield error


def _question(row: dict[str, Any]) -> dict[str, Any]:
    """A flat row, its answers as `{"text": [...], "answer_start": [...]}`."""
    row.pop("plausible_answers", None)  # of questions that have no answer
    answers = row.get("answers")
    if answers is None or isinstance(answers, dict):
        return row
    if isinstance(answers, str):
        answers = [answers]
    if not isinstance(answers, list):
        raise RowError(_about(row, "answers is no list"))
    texts: list[Any] = []
    starts: list[Any] = []
    for answer in answers:
        if isinstance(answer, dict) and "text" in answer:
            texts.append(answer["text"])
            starts.append(answer.get("answer_start"))
        elif isinstance(answer, str):
            texts.append(answer)
            starts.append(None)
        else:
            raise RowError(_about(row, "an answer is neither a text nor an object with a text"))
    return {**row, "answers": {"text": texts, "answer_start": starts}}


def _about(row: Mapping[str, Any], reason: str) -> str:
    identity = row.get("id")
    return f"question {identity}: {reason}" if isinstance(identity, str | int) else reason
