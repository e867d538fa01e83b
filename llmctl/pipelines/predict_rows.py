"""The rows that predictions are made for: from a file, standard input or the command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmctl.data.inputs import InputFile, find_inputs
from llmctl.data.readers import READERS
from llmctl.data.rows import BadRow, Row
from llmctl.data.settings import ReadingSettings
from llmctl.errors import InputMissing, UsageError
from llmctl.pipelines.predict_tasks import InputRow, PredictionRequest, Reading
from llmctl.registry import nearest

MARK = "_llmctl"
"""The key under which a row of predictions says which row of the input it answers."""

_WHOLE_TEXT = "text"
"""The column of a bare text, for tasks that read whole rows and name no other."""

# What an earlier prediction left in a row: it would be taken for an answer of this one.
_OURS = (
    MARK, "prediction", "error", "finish_reason", "prompt_tokens", "new_tokens", "candidates",
    "probabilities", "entities",
)  # fmt: skip


def find_input(request: PredictionRequest) -> InputFile | None:
    """The one file to read; None for a prompt from the command line.

    Raises:
        InputMissing: it is not there.
        UsageError: no input, two, or a folder of many files.
    """
    if request.prompt is not None:
        if request.input is not None:
            raise UsageError(f"--prompt and an input ({request.input}) were given; one is expected")
        return None
    if request.input is None:
        raise UsageError("there is nothing to predict for", hint='name a file, or --prompt "text"')
    files = find_inputs([request.input])
    if len(files) != 1:
        raise UsageError(f"{request.input} stands for {len(files)} files; one is expected")
    return files[0]


def read_rows(
    file: InputFile | None, request: PredictionRequest, column: str | None,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> Iterator[InputRow]:  # fmt: skip
    """All rows, the unusable ones too, numbered by their line (or place, where there are none).

    A line of a text file is a row; blank lines between the rows of a .jsonl file are none.

    Raises:
        InputMissing: the first row has no column of that name.
    """
    if file is None:
        assert request.prompt is not None
        yield InputRow(1, {column or reading.column or _WHOLE_TEXT: request.prompt}, request.prompt)
        return
    settings = ReadingSettings(
        text_unit="line", encoding=request.encoding, text_column=reading.column
    )
    if file.format == "text":
        file = replace(file, format=reading.file_format)
    is_first = True
    for row in READERS.get(file.format)(file, settings, _ignore):
        if isinstance(row, Row) and row.value == "" and ".jsonl" in file.path:
            continue
        if is_first and column and isinstance(row, Row) and isinstance(row.value, dict):
            _check_column(file.path, row.value, column)
            is_first = False
        yield _input_row(row, column, reading.column or _WHOLE_TEXT)


def count_rows(file: InputFile | None) -> int | None:
    """About how many rows there are, for the time left; None where counting would cost."""
    if file is None:
        return 1
    if file.compression is not None or file.format not in ("text", "jsonl"):
        return None
    with Path(file.path).open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))


def _input_row(row: Row | BadRow, column: str | None, of_text: str) -> InputRow:
    if isinstance(row, BadRow):
        return InputRow(row.number, {}, None, row.reason)
    if isinstance(row.value, str):
        return InputRow(row.number, {column or of_text: row.value}, row.value)
    columns = {key: value for key, value in row.value.items() if key not in _OURS}
    if column is None:
        return InputRow(row.number, columns, None)
    text = row.value.get(column)
    if isinstance(text, str):
        return InputRow(row.number, columns, text)
    what = "is missing" if column not in row.value else f"is no text but {type(text).__name__}"
    return InputRow(row.number, columns, None, f"{column} {what}")


def _check_column(path: str, row: dict[str, Any], column: str) -> None:
    if column not in row:
        close = nearest(column, list(row)) or next(iter(row), None)
        raise InputMissing(
            f"{path} has no column {column!r}; its columns are {', '.join(row) or 'none'}",
            hint=f"--column {close}" if close else None,
        )


def _ignore(_: int) -> None:
    pass
