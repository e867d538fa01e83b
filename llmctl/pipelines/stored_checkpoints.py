"""`llmctl checkpoint`: what a run has stored, whether it is whole, and what may go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import files
from llmctl.errors import CheckpointError, DataError, InputMissing, LlmctlError
from llmctl.pipelines.run_folder import RUN_RECORD, lock
from llmctl.training import checkpoints
from llmctl.training.checkpoints import Checkpoint

_FOLDER = "checkpoints"


@dataclass(frozen=True)
class Stored:
    """A stored checkpoint; `problem` is none when its content is good, or not looked at yet."""

    checkpoint: Checkpoint
    bytes: int
    marks: tuple[str, ...]
    validation_loss: float | None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.checkpoint.step,
            "folder": str(self.checkpoint.folder),
            "bytes": self.bytes,
            "marks": list(self.marks),
            "validation_loss": self.validation_loss,
            "problem": self.problem,
        }


def list_stored(run: Path) -> list[Stored]:
    """A run's checkpoints by step.

    Raises:
        InputMissing: not a run folder.
    """
    if not (run / RUN_RECORD).is_file():
        raise InputMissing(
            f"{run} is not a run folder: it has no {RUN_RECORD}", hint="llmctl runs list"
        )
    marks = {name: (run / name).resolve() for name in ("best", "last") if (run / name).is_symlink()}
    return [
        Stored(
            found,
            sum(path.stat().st_size for path in found.folder.rglob("*") if path.is_file()),
            tuple(name for name, target in marks.items() if target == found.folder.resolve()),
            _validation_loss(found.folder),
        )
        for found in checkpoints.list_checkpoints(run / _FOLDER)
    ]


def verify_stored(run: Path) -> list[Stored]:
    """The same, every byte read and compared with the hash it was written with."""
    return [
        Stored(s.checkpoint, s.bytes, s.marks, s.validation_loss, checkpoints.verify(s.checkpoint))
        for s in list_stored(run)
    ]


def verdict(run: Path, stored: list[Stored]) -> LlmctlError | None:
    """What `verify` ends with: nothing, 65 when some are damaged, 76 when none is good."""
    damaged = [found for found in stored if found.problem]
    if not damaged:
        return None
    if len(damaged) == len(stored):
        return CheckpointError(
            f"{run}: none of {len(stored)} checkpoints is good",
            hint="--fresh begins again; the old run is kept aside",
        )
    return DataError(
        f"{run}: {len(damaged)} of {len(stored)} checkpoints are damaged",
        hint="the next llmctl pretrain sets them aside and goes on from the newest good one",
    )


def prune_stored(run: Path, keep: int, *, dry_run: bool) -> list[Stored]:
    """Delete all but the latest `keep` good checkpoints, the best and the last; gives the deleted.

    Damaged ones are not counted and not deleted; two good ones always stay.
    """
    with lock(run):
        stored = verify_stored(run)
        good = [found for found in stored if found.problem is None]
        kept = good[-max(keep, 2) :]
        gone = [found for found in good if found not in kept and not found.marks]
        for found in [] if dry_run else gone:
            files.remove_folder(found.checkpoint.folder)
    return gone


def _validation_loss(folder: Path) -> float | None:
    try:
        state = files.read_json(folder / "state.json")["state"]
        loss = state["last_validation"]
    except (InputMissing, DataError, KeyError, TypeError):
        return None
    return float(loss) if isinstance(loss, int | float) else None
