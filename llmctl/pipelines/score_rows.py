"""Saved predictions and their references: read from files, one example a row, with their places."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from llmctl.errors import DataError, InputMissing, UsageError
from llmctl.metrics.entry import Kind
from llmctl.pipelines.predict_rows import MARK
from llmctl.pipelines.score_files import (
    FileRows,
    check_alignment,
    check_answered,
    read_file,
    refuse,
)
from llmctl.registry import nearest
from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import value_in

_REFERENCE_COLUMNS = ("references", "reference")
_LIKELY_COLUMNS = (
    "answers", "answer", "label", "labels", "tags", "target", "summary", "translation", "output",
)  # fmt: skip
_ROW_IN_MESSAGE = re.compile(r"\b(?:prediction|reference|row) (\d+)")


@dataclass(frozen=True)
class Columns:
    """Where rows hold what; None: the usual names."""

    prediction: str = "prediction"
    reference: str | None = None


@dataclass(frozen=True)
class ScoredRows:
    """N examples in order, read from `files`.

    Attributes:
        predictions: as the files have them; of text files, lines as the metric's kind reads them.
        references: for each prediction; empty where there are none.
        probabilities: of each row, where a metric takes them and rows have a column of their own.
        places: file and line of each prediction.
        sha256: of the references; of what was predicted from, where there are none.
    """

    predictions: list[Any]
    references: list[Any]
    probabilities: list[Any] | None
    places: list[str]
    files: list[str]
    sha256: str

    def inputs(self, kind: Kind) -> list[Any]:
        """The predictions that a metric takes."""
        if kind == "probabilities" and self.probabilities is not None:
            return self.probabilities
        return self.predictions

    def columns(self) -> dict[str, list[Any]]:
        """What is kept of each example."""
        found = {"prediction": self.predictions, "references": self.references}
        if self.probabilities is not None:
            found["probabilities"] = self.probabilities
        return {name: values for name, values in found.items() if values}

    @contextmanager
    def placed_errors(self) -> Iterator[None]:
        """
        Raises:
            DataError: in place of a metric's that names a row by its number: file and line first.
        """
        try:
            yield
        except DataError as error:
            match = _ROW_IN_MESSAGE.search(error.message)
            if match is None or not 1 <= int(match[1]) <= len(self.places):
                raise
            place = self.places[int(match[1]) - 1]
            raise DataError(f"{place}: {error.message}", error.hint) from error


def read_scored_rows(
    predictions: str, references: Sequence[str], kinds: Sequence[Kind], columns: Columns,
    encoding: str = "utf-8", *, needs_references: bool = True,
) -> ScoredRows:  # fmt: skip
    """
    Args:
        references: files with a line or row for each prediction; none: the predictions' own column.
        kinds: of the metrics that will be asked.

    Raises:
        InputMissing: a file is not there, or has no such column.
        DataError: no rows, rows that cannot be used, or files that are not as long.
        UsageError: files that cannot be combined.
    """
    said = read_file(predictions, encoding)
    kind = _one_kind(kinds, said)
    check_answered(said)
    answers = _column(said, columns.prediction, kind)
    probabilities = None
    if "probabilities" in kinds and not said.is_text and "probabilities" in said.values[0]:
        probabilities = _column(said, "probabilities", "probabilities")
    given = [read_file(name, encoding) for name in references]
    for other in given:
        check_alignment(said, other)
    of_kind = _REFERENCE_KINDS.get(kind, kind)
    wanted = _references(said, given, of_kind, columns, needed=needs_references)
    if of_kind in ("label", "number"):
        wanted = _alone(wanted)
    return ScoredRows(
        predictions=answers,
        references=wanted,
        probabilities=probabilities,
        places=[said.place(row) for row in range(len(answers))],
        files=[said.path, *(other.path for other in given)],
        sha256=_hash(wanted or [_asked(value) for value in said.values]),
    )


def _column(rows: FileRows, column: str, kind: Kind) -> list[Any]:
    """A value for each row."""
    if rows.is_text:
        return _of_lines(rows, kind)
    if not any(column.split(".")[0] in value for value in rows.values):
        raise _no_column(rows, column)
    values, missing = [], []
    for row, value in enumerate(rows.values):
        try:
            values.append(value_in(value, column))
        except RowRefused as refused:
            missing.append(f"{rows.place(row)}: {refused}")
    refuse(missing, "rows are not whole")
    return values


def _no_column(rows: FileRows, column: str) -> InputMissing:
    known = list(rows.values[0])
    is_reference = column in _REFERENCE_COLUMNS
    likely = [name for name in _LIKELY_COLUMNS if name in known] if is_reference else []
    option = "--reference-column" if is_reference else "--prediction-column"
    close = nearest(column, known) or next(iter(likely), None)
    hint = f"{option} {close}" if close else None
    if is_reference and not hint:
        hint = "--references FILE names a file of them"
    return InputMissing(
        f"{rows.path} has no column {column!r}; its columns are {', '.join(known)}", hint=hint
    )


def _references(
    said: FileRows, given: Sequence[FileRows], kind: Kind, columns: Columns, *, needed: bool
) -> list[Any]:
    """References by prediction: of files of their own, or of the predictions' rows."""
    if given:
        found = [_own_references(file, kind, columns) for file in given]
        return found[0] if len(found) == 1 else _several(found, given, kind)
    if said.is_text:
        if needed:
            raise InputMissing(
                f"{said.path} holds lines of text, and there is nothing to hold them against",
                hint="--references FILE, with a line for each prediction",
            )
        return []
    name = _reference_column(said, columns)
    if name is None and not needed:
        return []
    return _column(said, name or _REFERENCE_COLUMNS[0], kind)


def _alone(references: list[Any]) -> list[Any]:
    """References that are all lists of one, as rows of generated text have them, without the list.

    >>> _alone([["a"], ["b"]]), _alone([["a"], ["b", "c"]])
    (['a', 'b'], [['a'], ['b', 'c']])
    """
    if all(isinstance(value, list) and len(value) == 1 for value in references):
        return [value[0] for value in references]
    return references


def _own_references(file: FileRows, kind: Kind, columns: Columns) -> list[Any]:
    if file.is_text:
        return _of_lines(file, kind)
    return _column(file, _reference_column(file, columns) or _REFERENCE_COLUMNS[0], kind)


def _reference_column(rows: FileRows, columns: Columns) -> str | None:
    if columns.reference is not None:
        return columns.reference
    return next((name for name in _REFERENCE_COLUMNS if name in rows.values[0]), None)


def _several(found: list[list[Any]], given: Sequence[FileRows], kind: Kind) -> list[list[str]]:
    """The references of several files together: one in each; a blank line stands for none."""
    if kind not in ("text", "answer"):
        raise UsageError(
            f"{len(given)} files of references were given; one is expected for a metric of {kind}"
        )
    together = []
    for values in zip(*found, strict=True):
        flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
        known = [one for one in flat if one != ""]
        together.append(known or ([] if kind == "answer" else [""]))
    return together


_LINE: dict[Kind, Callable[[str], Any]] = {
    "text": str,
    "label": str.strip,
    "labels": lambda line: [part.strip() for part in line.split(",") if part.strip()],
    "number": str.strip,
    "probabilities": float,
    "tags": str.split,
    "answer": str,
}
"""What a line of a text file is to a metric of each kind."""
_REFERENCE_KINDS: dict[Kind, Kind] = {"probabilities": "label"}
"""What a reference is, where it is not of the prediction's kind."""


def _of_lines(rows: FileRows, kind: Kind) -> list[Any]:
    values, bad = [], []
    for row, line in enumerate(rows.values):
        try:
            values.append(_LINE[kind](line))
        except ValueError:
            bad.append(f"{rows.place(row)}: {line[:40]!r} is no number")
    refuse(bad, "rows cannot be read")
    return values


def _one_kind(kinds: Sequence[Kind], said: FileRows) -> Kind:
    """The kind that lines of text are read as; objects say themselves what they hold."""
    if said.is_text and len({_LINE[kind] for kind in kinds}) > 1:
        raise UsageError(
            f"{said.path} holds lines of text; one line cannot be "
            f"{' and '.join(dict.fromkeys(kinds))} at once",
            hint="ask for one kind of metric at a time, or give rows (.jsonl)",
        )
    return kinds[0]


def _asked(value: Any) -> Any:
    """What tells an example without reference from others: the hash of what was predicted from."""
    mark = value.get(MARK) if isinstance(value, dict) else None
    return mark.get("input") if isinstance(mark, dict) else None


def _hash(values: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    return digest.hexdigest()
