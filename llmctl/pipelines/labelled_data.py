"""Files → the examples of a task: read, refused row by row, and split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from llmctl import console
from llmctl.data.inputs import InputFile, find_inputs
from llmctl.data.labelled_settings import PARALLEL, LabelledData
from llmctl.data.opening import check_encoding
from llmctl.data.read_parallel import find_parallel, read_parallel
from llmctl.data.read_report import FileCounts, ReadReport
from llmctl.data.readers import READERS
from llmctl.data.rows import BadRow, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.data.splitting import text_validates
from llmctl.errors import DataError
from llmctl.randomness import derive_seed, keyed_permutation
from llmctl.tasks.base import Example, RowRefused, Task

_UNKNOWN_ENDING = "text"


@dataclass(frozen=True)
class Examples:
    """The examples of every part; validation and test may be empty."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def read_parts(
    task: Task, data: LabelledData, seed: int, bad_rows_file: Path | None
) -> tuple[Examples, dict[str, ReadReport]]:
    """The examples of the parts that a recipe names; a share of training rows validates where no
    validation rows are named.

    Raises:
        InputMissing, NetworkError: a source is not there.
        DataError: too many rows cannot be used, or there are none.
    """
    reports = {}
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for part, names in (
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        if names:
            place = (
                bad_rows_file.with_stem(f"{bad_rows_file.stem}-{part}") if bad_rows_file else None
            )
            reports[part] = ReadReport(bad_rows_file=place)
            parts[part] = read_examples(task, names, data, reports[part], split=part)
    if not data.validation and data.validation_fraction:
        parts["train"], parts["validation"] = _split(task, parts["train"], data.validation_fraction)
    if data.max_rows is not None and len(parts["train"]) > data.max_rows:
        order = keyed_permutation(
            np.arange(len(parts["train"])), len(parts["train"]), derive_seed(seed, "rows")
        )
        parts["train"] = [parts["train"][row] for row in sorted(order[: data.max_rows].tolist())]
    return Examples(**parts), reports


def read_examples(
    task: Task, names: Sequence[str], data: LabelledData, report: ReadReport, *,
    split: str = "train", labelled: bool = True,
) -> list[Example]:  # fmt: skip
    """The examples of some files, in their order. Rows that the task refuses count as bad rows.

    Raises:
        InputMissing, NetworkError: a source is not there.
        DataError: too many rows cannot be used, or there are none.
    """
    check_encoding(data.encoding)
    settings = ReadingSettings(
        text_column=task.text_column(), text_unit="line", encoding=data.encoding,
        max_bad_fraction=data.max_bad_fraction,
    )  # fmt: skip
    examples: list[Example] = []
    for file, rows in _tables(task, names, data.format, settings, report, split):
        counts = report.begin(file.path)
        for row in rows:
            _take(task, file, row, counts, report, examples, labelled)
            report.check_early(settings)
        assert counts.is_conserved, f"rows of {file.path} are unaccounted for: {counts}"
    report.check_limit(settings)
    report.warn()
    if not examples:
        raise DataError(f"{', '.join(names[:3])}: no row can be used; at least one is needed")
    return examples


def _tables(
    task: Task, names: Sequence[str], named: str | None, settings: ReadingSettings,
    report: ReadReport, split: str,
) -> Iterator[tuple[InputFile, Rows]]:  # fmt: skip
    """Every table and its rows: each file is one, but parallel files are one together."""
    if named == PARALLEL:
        files = find_parallel(names)
        yield files[0], read_parallel(files, settings, report.on_bytes)
        return
    for found in find_inputs(names, split=split):
        file = _with_format(found, task, named)
        yield file, READERS.get(file.format)(file, settings, report.on_bytes)


def _take(
    task: Task, file: InputFile, row: Row | BadRow, counts: FileCounts, report: ReadReport,
    examples: list[Example], labelled: bool,
) -> None:  # fmt: skip
    counts.rows += 1
    counts.examined += row.lines if isinstance(row, Row) else 1
    if isinstance(row, BadRow):
        report.set_aside(counts, row)
        return
    if row.value == "":
        counts.empty += 1
        return
    columns = {"text": row.value} if isinstance(row.value, str) else row.value
    try:
        content = task.example(columns, labelled=labelled)
    except RowRefused as refused:
        report.set_aside(counts, RowError(str(refused)).at(row.number))
        return
    counts.documents += 1
    examples.append(Example(file.path, row.number, columns, content))


def _with_format(file: InputFile, task: Task, named: str | None) -> InputFile:
    """The file with the format that the recipe names; else by its ending; else the task's own."""
    if named is not None:
        return replace(file, format=named)
    if file.format == _UNKNOWN_ENDING:
        return replace(file, format=task.file_format or "tsv")
    return file


def _split(
    task: Task, examples: list[Example], fraction: float
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples, by a hash of the input: equal inputs stay together."""
    held_out = [text_validates(task.identity(one), fraction) for one in examples]
    parts = [[one for one, out in zip(examples, held_out, strict=True) if out is side]
             for side in (False, True)]  # fmt: skip
    if not parts[1] or not parts[0]:
        console.warn("there are too few rows to set some aside for validation")
        return examples, []
    return parts[0], parts[1]
