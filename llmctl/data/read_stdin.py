"""Reads standard input: JSON Lines if it looks like that, else text."""

from __future__ import annotations

import orjson

from llmctl.data.inputs import InputFile
from llmctl.data.opening import open_stream, open_text
from llmctl.data.read_json import jsonl_rows
from llmctl.data.read_text import text_rows
from llmctl.data.rows import OnBytes, Rows
from llmctl.data.settings import ReadingSettings

_PEEK_BYTES = 1 << 20


def read_stdin(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    with open_stream(file, on_bytes) as stream:
        if looks_like_jsonl(stream.peek(_PEEK_BYTES)):
            yield from jsonl_rows(*open_text(stream, settings.encoding))
        else:
            yield from text_rows(stream, settings)


def looks_like_jsonl(start: bytes) -> bool:
    """Whether the first line is an object; of a line too long to see whole, whether it begins so.

    >>> looks_like_jsonl(b'{"text": "a"}\\n'), looks_like_jsonl(b"{ braces }\\n")
    (True, False)
    """
    first, newline, _ = start.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
    if not newline and len(start) >= _PEEK_BYTES:
        return first.startswith(b'{"')
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False
