"""What a run folder tells about its run; whatever is missing or damaged in it is left out."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from llmctl import files
from llmctl.errors import DataError, InputMissing, LlmctlError
from llmctl.models.find import is_run_folder

T = TypeVar("T")

_ALIVE = ("preparing", "running")
_DEEPEST = 4
"""Folders below the one that is searched for runs."""


@dataclass(frozen=True)
class RunSummary:
    """One run as `runs list` and `runs show` see it. None stands for what is not known.

    Attributes:
        status: as recorded, except `interrupted` for a run that says it is running while nothing
            holds its lock, and `unreadable` for a damaged record.
        losses, validations: (step, nats per token), in the order of steps.
        record, results: run.json and results.json as they are.
    """

    folder: Path
    status: str
    reason: str | None = None
    model: str | None = None
    parameters: int | None = None
    step: int | None = None
    steps: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    best_loss: float | None = None
    best_step: int | None = None
    best_epoch: float | None = None
    created: str | None = None
    updated: str | None = None
    seconds: float | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def is_alive(self) -> bool:
        return self.status in _ALIVE

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "status": self.status,
            "reason": self.reason,
            "model": self.model,
            "parameters": self.parameters,
            "step": self.step,
            "steps": self.steps,
            "tokens": self.tokens,
            "epochs": self.epochs,
            "best_validation_loss": self.best_loss,
            "best_step": self.best_step,
            "best_epoch": self.best_epoch,
            "created": self.created,
            "updated": self.updated,
            "seconds": self.seconds,
        }


def read_run(folder: Path) -> RunSummary:
    """The summary of one run folder.

    Raises:
        InputMissing: it is no run folder.
    """
    if not is_run_folder(folder):
        what = "is no run folder: it has no run.json" if folder.is_dir() else "does not exist"
        raise InputMissing(f"{folder} {what}", hint="llmctl runs list")
    record = _read_object(folder / "run.json")
    if record is None:
        return RunSummary(folder, "unreadable", "run.json is damaged")
    lines = _metric_lines(folder / "metrics.jsonl")
    validations = _points(lines, "validation_loss")
    best = min(validations, key=lambda point: point[1], default=(None, None))
    last = max(lines, key=lambda line: line["step"], default={})
    return RunSummary(
        folder=folder,
        status=_status(folder, record),
        reason=_get(record, str, "status_reason"),
        model=_get(record, str, "model", "preset") or _get(record, str, "model", "architecture"),
        parameters=_get(record, int, "model", "parameters"),
        step=_largest(_get(record, int, "progress", "step"), _get(last, int, "step")),
        steps=_get(record, int, "budget", "steps"),
        tokens=_largest(_get(record, int, "progress", "tokens"), _get(last, int, "tokens")),
        epochs=_largest(_get(record, float, "progress", "epochs"), _get(last, float, "epoch")),
        best_loss=_first(_get(record, float, "progress", "best_validation_loss"), best[1]),
        best_step=_first(_get(record, int, "progress", "best_step"), best[0]),
        best_epoch=_get(record, float, "progress", "best_epoch"),
        created=_get(record, str, "created"),
        updated=_get(record, str, "updated"),
        seconds=_largest(
            _get(record, float, "progress", "seconds"),
            *(_get(line, float, "seconds") for line in lines),
        ),
        losses=_points(lines, "loss"),
        validations=validations,
        checkpoints=sorted(path.name for path in folder.glob("checkpoints/step-*")),
        record=record,
        results=_read_object(folder / "results.json") or {},
    )


def find_runs(folder: Path) -> list[RunSummary]:
    """All runs in a folder and some way below, the one that was last at work first.

    Raises:
        InputMissing: there is no such folder.
    """
    if not folder.is_dir():
        raise InputMissing(f"{folder} does not exist; a folder with run folders was expected")
    runs = [read_run(found) for found in _run_folders(folder, _DEEPEST)]
    return sorted(runs, key=lambda run: run.updated or run.created or "", reverse=True)


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    if is_run_folder(folder):
        yield folder
        return
    if depth == 0:
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _run_folders(path, depth - 1)


def _status(folder: Path, record: dict[str, Any]) -> str:
    status = _get(record, str, "status") or "unknown"
    return "interrupted" if status in _ALIVE and not _is_locked(folder / "lock") else status


def _is_locked(path: Path) -> bool:
    """Whether a process holds the run. The shared lock taken to see it is given back at once."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        value = files.read_json(path)
    except (LlmctlError, OSError):
        return None
    return _without_nan(value) if isinstance(value, dict) else None


def _without_nan(value: Any) -> Any:
    """Python reads NaN in JSON, but no other program does: it becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _metric_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = files.read_json_lines(path)
    except (DataError, OSError, UnicodeDecodeError, json.JSONDecodeError):
        return []
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]


def _points(lines: list[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(line["step"], float(line[key])) for line in lines if _is_number(line.get(key))]


def _get(record: dict[str, Any], kind: type[T], *path: str) -> T | None:
    """The value at a path, if it is there and of that kind."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if kind is float and _is_number(value):
        return kind(value)  # type: ignore[call-arg]
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _largest(*values: T | None) -> T | None:
    """The furthest of what two files say: one of them may be older."""
    known = [value for value in values if value is not None]
    return max(known, default=None)  # type: ignore[type-var]


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)
