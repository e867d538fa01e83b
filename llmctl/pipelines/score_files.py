"""Files of predictions or references: their rows, and what makes them unusable, with its place."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.bundled import BUNDLED
from llmctl.data.inputs import STANDARD_INPUT, InputFile, find_inputs
from llmctl.data.readers import READERS
from llmctl.data.rows import BadRow
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError, InputMissing, UsageError
from llmctl.pipelines.predict_rows import MARK
from llmctl.registry import nearest

_PROBLEMS_SHOWN = 5


@dataclass(frozen=True)
class FileRows:
    """The rows of one file: lines of text, or objects."""

    path: str
    values: list[Any]
    numbers: list[int]

    @property
    def is_text(self) -> bool:
        return isinstance(self.values[0], str)

    def place(self, row: int) -> str:
        return f"{self.path}, line {self.numbers[row]}"


def read_file(name: str, encoding: str) -> FileRows:
    file = _one_file(name)
    settings = ReadingSettings(text_unit="line", encoding=encoding)
    values, numbers, bad = [], [], []
    for row in READERS.get(file.format)(file, settings, lambda _: None):
        if isinstance(row, BadRow):
            bad.append(f"{file.path}, line {row.number}: {row.reason}")
        elif row.value != "" or ".jsonl" not in file.path:
            values.append(row.value)
            numbers.append(row.number)
    refuse(bad, "rows cannot be read")
    if not values:
        raise DataError(f"{file.path} has no rows")
    if len({isinstance(value, str) for value in values}) > 1:
        raise DataError(f"{file.path} mixes texts and objects; rows of one form were expected")
    return FileRows(file.path, values, numbers)


def _one_file(name: str) -> InputFile:
    path = Path(name).expanduser()
    is_path = name != STANDARD_INPUT and not name.startswith(BUNDLED) and not glob.has_magic(name)
    if is_path and not path.exists():
        names = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, names)
        hint = f"did you mean {path.parent / close}?" if close else None
        raise InputMissing(f"{path} does not exist", hint=hint)  # and is no data set on the Hub
    files = find_inputs([name])
    if len(files) != 1:
        raise UsageError(f"{name} stands for {len(files)} files; one is expected")
    return files[0]


def check_answered(said: FileRows) -> None:
    """
    Raises:
        DataError: rows in error, or an interrupted file of `llmctl predict`.
    """
    if said.is_text:
        return
    failed = [
        f"{said.place(row)}: the row was not predicted: {value['error']}"
        for row, value in enumerate(said.values)
        if value.get("error") and value.get("prediction") is None
    ]
    refuse(failed, "rows are in error", hint="predict them again: the same llmctl predict command")
    marked = [
        value[MARK].get("row", 0) for value in said.values if isinstance(value.get(MARK), dict)
    ]
    if marked != sorted(marked):
        raise DataError(
            f"{said.path} is unfinished: its rows are not in order",
            hint="repeat the llmctl predict command that wrote it",
        )


def check_alignment(said: FileRows, other: FileRows) -> None:
    """
    Raises:
        DataError: not as many rows, or rows whose ids differ.
    """
    one, two = len(said.values), len(other.values)
    if one != two:
        raise DataError(
            f"{said.path} has {one:,} predictions and {other.path} references for {two:,}; they "
            "must be as many, line by line"
        )
    if said.is_text or other.is_text:
        return
    for row, (first, second) in enumerate(zip(said.values, other.values, strict=True)):
        if "id" in first and "id" in second and first["id"] != second["id"]:
            raise DataError(
                f"{said.place(row)} has the id {first['id']!r} and {other.place(row)} the id "
                f"{second['id']!r}: they do not belong together"
            )


def refuse(problems: Sequence[str], what: str, hint: str | None = None) -> None:
    """
    Raises:
        DataError: the first problems and how many there are.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise DataError(problems[0], hint)
    shown = problems[:_PROBLEMS_SHOWN]
    more = len(problems) - len(shown)
    lines = [f"{len(problems):,} {what}:", *shown, *([f"and {more:,} more"] if more else [])]
    raise DataError("\n  ".join(lines), hint)
