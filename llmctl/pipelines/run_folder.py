"""The run folder: its lock, its record `run.json`, and whether a command may go on with it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmctl import console, files
from llmctl.errors import (
    Diverged,
    LlmctlError,
    Locked,
    SettingsMismatch,
    Stopped,
)
from llmctl.models.counting import num_parameters
from llmctl.pipelines.run_environment import git_commit, hardware, versions
from llmctl.recipe.render import render_recipe
from llmctl.section import Section
from llmctl.training.checkpoints import list_checkpoints
from llmctl.training.processes import Processes

RUN_RECORD = "run.json"
LOCK = "lock"

# What may change between two attempts at one run without changing what is computed. A changed
# budget is looked at by itself.
_FREE = (
    "title", "logging.", "checkpoints.", "budget.", "batch.micro_batch_size", "compute.compile",
    "compute.gradient_checkpointing", "compute.deterministic",
)  # fmt: skip
_SECRET = re.compile(r"(token|secret|password|key)=|^hf_|://[^/]*@", re.IGNORECASE)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run folder; nobody else may write in it meanwhile.

    Raises:
        Locked: another process holds it.
        UsageError: a file has that name.
        StorageError: there is no such place to write in.
    """
    files.check_output_folder(folder)
    with files.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / LOCK).open("a+")
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise Locked(
                f"{folder} is being written by {holder}", hint="wait for it, or use another -o"
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        yield


def set_old_run_aside(folder: Path) -> None:
    """`--fresh`: rename an existing run folder; nothing is deleted."""
    if not (folder / RUN_RECORD).exists():
        return
    number = 1
    while (target := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    with lock(folder):
        folder.rename(target)
    console.note(f"the earlier run is now {target}")


class RunRecord:
    """`run.json`: what was run, with what, and how far it has come.

    Every process of a group holds one; rank 0's alone is written.
    """

    def __init__(self, folder: Path, content: dict[str, Any], *, writes: bool = True) -> None:
        self.folder, self.content, self._writes = folder, content, writes
        self._holds = self.is_finished

    @classmethod
    def open(
        cls, folder: Path, recipe: Section, processes: Processes, argv: Sequence[str]
    ) -> RunRecord:
        """Begin a run in an empty folder, or another attempt at the one that is there.

        Raises:
            SettingsMismatch: the run that is there has other settings.
        """
        path = folder / RUN_RECORD
        there = files.read_json(path) if processes.is_main and path.exists() else None
        there = processes.from_main(there)
        record = cls(folder, there or _fresh(recipe), writes=processes.is_main)
        if there and _nothing_trained(folder, there):
            again = there["recipe"] == recipe.model_dump(mode="json", by_alias=True)
            if there["status"] == "failed" or not again:
                processes.on_main(lambda: _clear(folder))
                return cls.open(folder, recipe, processes, argv)
        elif there:
            check_same_settings(record, recipe)
        elif processes.is_main:
            files.remove_temporaries(folder)
            files.write_text(folder / "recipe.yaml", render_recipe(recipe, with_defaults=True))
        record.begin_attempt(recipe, processes.count, argv)
        return record

    @property
    def is_finished(self) -> bool:
        return self.content.get("status") == "finished"

    def update(self, **values: Any) -> None:
        """Replace top-level entries and write the file.

        That of a finished run stays as it is, a record of what made the model, until another
        attempt is under way.
        """
        self.content.update(values)
        self.content["updated"] = _now()
        self._holds = self._holds and self.is_finished
        if self._writes and not self._holds:
            files.write_json(self.folder / RUN_RECORD, self.content)

    def begin_attempt(self, recipe: Section, num_processes: int, argv: Sequence[str]) -> None:
        """Note who starts, with what versions and on what hardware."""
        if not self.is_finished:
            self.content["status"] = "preparing"
        self.update(
            recipe=recipe.model_dump(mode="json", by_alias=True),
            argv=[_redacted(word) for word in argv],
            num_processes=num_processes,
            versions=versions(),
            git_commit=git_commit(),
            hardware=hardware(),
            attempts=int(self.content.get("attempts", 0)) + 1,
        )

    def describe_model(self, model: Any, *, preset: str | None, path: str | None) -> None:
        """Note what is trained, and where it came from."""
        self.update(
            model={
                "architecture": type(model).__name__,
                "parameters": num_parameters(model),
                "preset": preset,
                "path": path,
            }
        )

    def begin_training(self, recipe: Section) -> None:
        """Training is under way: `recipe.yaml` repeats it, with the budget as it is now."""
        self.update(status="running")
        if self._writes:
            text = render_recipe(recipe, with_defaults=True)
            files.write_text(self.folder / "recipe.yaml", text)

    def fail(self, failure: LlmctlError) -> None:
        """Note why an attempt ended early; a finished run stays finished."""
        status = {Stopped: "stopped", Diverged: "diverged"}.get(type(failure), "failed")
        if not self.is_finished:
            self.update(status=status, status_reason=failure.message)

    def frozen(self, name: str, value: Any) -> Any:
        """What `auto` chose when the run began; `value` when it is choosing now."""
        chosen: dict[str, Any] = self.content.setdefault("auto", {})
        return chosen.setdefault(name, value)

    def results(self) -> dict[str, Any]:
        """The results.json of a finished run."""
        found: dict[str, Any] = files.read_json(self.folder / "results.json")
        return found


def _fresh(recipe: Section) -> dict[str, Any]:
    return {
        "id": f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        "created": _now(),
        "status": "preparing",
        "seed": getattr(recipe, "seed", None),
        "recipe": recipe.model_dump(mode="json", by_alias=True),
    }


def _nothing_trained(folder: Path, content: dict[str, Any]) -> bool:
    return content.get("status") in ("preparing", "failed") and not list_checkpoints(
        folder / "checkpoints"
    )


def _clear(folder: Path) -> None:
    """Take away what an attempt that failed before its first step has left."""
    for name in ("tokenizer", "data"):
        files.remove_folder(folder / name)
    for name in (RUN_RECORD, "recipe.yaml", "metrics.jsonl"):
        (folder / name).unlink(missing_ok=True)


def check_same_settings(record: RunRecord, recipe: Section) -> None:
    """
    Raises:
        SettingsMismatch: the folder's run was started with other settings; they are listed.
    """
    old = _flat(_as_now(record.content["recipe"], type(recipe)))
    new = _flat(recipe.model_dump(mode="json", by_alias=True))
    changed = [
        f"  {key}: {_show(old.get(key))} there, {_show(new.get(key))} here"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(_FREE)
    ]
    if changed:
        raise SettingsMismatch(
            "\n".join([f"{record.folder} belongs to a run with other settings", *changed]),
            hint="use another -o, or --fresh to begin again (the old run is kept aside)",
        )


def _as_now(recipe: dict[str, Any], kind: type[Section]) -> dict[str, Any]:
    """A stored recipe with the settings that were added since, at their defaults."""
    try:
        return kind.model_validate(recipe).model_dump(mode="json", by_alias=True)
    except ValidationError:  # a setting is gone; it will be listed
        return recipe


def check_same_data(record: RunRecord, fingerprint: dict[str, Any]) -> None:
    """
    Raises:
        SettingsMismatch: a source file has changed since the run began.
    """
    old = record.content.get("data", {}).get("sources", {})
    changed = sorted(path for path, value in fingerprint.items() if old.get(path, value) != value)
    if changed:
        raise SettingsMismatch(
            f"{record.folder}: the data has changed since this run began: {', '.join(changed[:5])}",
            hint="restore the files, or use another -o",
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or (not value and prefix):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else key)
    return flat


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _redacted(word: str) -> str:
    return "[hidden]" if _SECRET.search(word) else word


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
