"""Where predictions go: standard output, or a file that grows by batches and survives a kill."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson

from llmctl import console
from llmctl.errors import DataError, Locked, SettingsMismatch
from llmctl.files import TEMPORARY_PREFIX, read_json, storage_errors, write_json
from llmctl.pipelines.predict_rows import MARK
from llmctl.pipelines.predict_tasks import InputRow, to_json

Answers = Sequence[tuple[InputRow, dict[str, Any]]]
"""Rows with the columns that were predicted for them."""


class PredictionsOut(Protocol):
    """Takes predictions, in the order in which they are made."""

    def has(self, row: InputRow) -> bool:
        """Whether this very row was answered before, without an error."""

    def write(self, answers: Answers) -> None:
        """One batch."""

    def end_window(self) -> None:
        """All rows up to here have been written."""

    def finish(self, numbers: Sequence[int]) -> None:
        """That was all; `numbers` are the rows of the input in order."""


class Standard:
    """Rows as JSON lines on standard output, in the order of the input."""

    def __init__(self, *, shown_already: bool = False) -> None:
        self._held: list[tuple[InputRow, dict[str, Any]]] = []
        self._shown_already = shown_already

    def has(self, row: InputRow) -> bool:  # noqa: ARG002
        return False

    def write(self, answers: Answers) -> None:
        self._held += answers

    def end_window(self) -> None:
        for row, predicted in sorted(self._held, key=lambda answer: answer[0].number):
            if self._shown_already and "error" not in predicted:
                console.result()  # ends the line
                continue
            console.result(to_json({**row.columns, **predicted}).decode("utf-8"))
        self._held = []

    def finish(self, numbers: Sequence[int]) -> None:
        pass


class PredictionsFile:
    """A .jsonl file; its rows are put into the input's order by `finish`.

    What they were made with stands in `FILE.settings.json` beside it.
    """

    def __init__(self, path: Path, made_with: dict[str, Any], *, fresh: bool) -> None:
        """Open for appending; whole rows that are there already are kept.

        Raises:
            SettingsMismatch: they were made by another model or with other settings.
            DataError: the file holds something else.
        """
        self.path = path
        self._settings_path = path.with_name(path.name + ".settings.json")
        self._places: dict[int, tuple[str, int, int]] = {}  # of a row: its hash, start and size
        if fresh or not path.exists() or path.stat().st_size == 0:
            with storage_errors(path):
                path.write_bytes(b"")
            write_json(self._settings_path, made_with)
        else:
            self._check_settings(made_with)
            self._read()

    def has(self, row: InputRow) -> bool:
        return row.number in self._places and self._places[row.number][0] == row.digest

    def write(self, answers: Answers) -> None:
        start, data = self.path.stat().st_size, b""
        for row, predicted in answers:
            mark = {"row": row.number, "input": row.digest}
            line = to_json({**row.columns, **predicted, MARK: mark}) + b"\n"
            digest = "" if "error" in predicted else row.digest
            self._places[row.number] = (digest, start + len(data), len(line))
            data += line
        with storage_errors(self.path), self.path.open("ab") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def end_window(self) -> None:
        pass

    def finish(self, numbers: Sequence[int]) -> None:
        """Sort, and drop rows that are no longer in the input or were answered again."""
        temporary = self.path.with_name(f"{TEMPORARY_PREFIX}{self.path.name}-{os.getpid()}")
        with storage_errors(self.path), self.path.open("rb") as source:
            with temporary.open("wb") as target:
                for number in numbers:
                    _, start, size = self._places[number]
                    source.seek(start)
                    target.write(source.read(size))
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(self.path)

    def _check_settings(self, made_with: dict[str, Any]) -> None:
        hint = f"give another -o, or --fresh to start {self.path.name} over"
        if not self._settings_path.exists():
            raise SettingsMismatch(f"{self.path} was not written by llmctl predict", hint=hint)
        before = read_json(self._settings_path)
        changed = [
            f"{key}: {before.get(key)} then, {made_with.get(key)} now"
            for key in dict.fromkeys([*made_with, *before])
            if before.get(key) != made_with.get(key)
        ]
        if changed:
            raise SettingsMismatch(
                f"the predictions in {self.path} were made otherwise ({'; '.join(changed)})",
                hint=hint,
            )

    def _read(self) -> None:
        """Find the rows; cut off a last line that a crash left without its end."""
        start = 0
        with storage_errors(self.path), self.path.open("r+b") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    stream.truncate(start)
                    break
                try:
                    row = orjson.loads(line)
                    mark = row[MARK]
                    digest = "" if "error" in row else str(mark["input"])
                    self._places[int(mark["row"])] = (digest, start, len(line))
                except (ValueError, KeyError, TypeError):
                    raise DataError(
                        f"{self.path} holds a line that is not a prediction, at byte {start:,}",
                        hint=f"--fresh starts {self.path.name} over",
                    ) from None
                start += len(line)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time write to a file of predictions.

    Raises:
        Locked: another one does.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(path), path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"another process is writing {path}", hint="use another -o") from None
        yield
