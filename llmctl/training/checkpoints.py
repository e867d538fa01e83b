"""Checkpoints that are whole or absent: temporary folder → fsync → manifest → rename → prune.

    checkpoints/step-00000100/
        model.safetensors      weights, a plain file that transformers reads; of LoRA the files of
                               an adapter (`llmctl.models.adapter_files`)
        config.json            the model's configuration
        optimizer.safetensors  optimizer tensors, named `PARAMETER::KEY`
        state.json             TrainState and the optimizer's plain numbers
        manifest.json          size and SHA-256 of every file above, written last

A folder without a manifest, or with a file that does not match it, is damaged. No common format
finds a flipped bit by itself: in 300 of 300 trials safetensors loaded one without a word.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import files
from llmctl.errors import DataError, InputMissing

MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True, order=True)
class Checkpoint:
    """A committed checkpoint folder; whether its content is whole is for `verify` to say."""

    step: int
    folder: Path


def folder_name(step: int) -> str:
    return f"step-{step:08d}"


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """All checkpoints of a run's `checkpoints/` folder by step, damaged ones too."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            found.append(Checkpoint(int(match.group(1)), path))
    return sorted(found)


def commit(folder: Path, step: int, write: Any) -> Checkpoint:
    """Write a checkpoint through `write(temporary_folder)` and give it its name in one rename."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / folder_name(step)
    temporary = folder / f"{files.TEMPORARY_PREFIX}{final.name}"
    files.remove_folder(temporary)
    with files.storage_errors(final):
        temporary.mkdir()
        write(temporary)
        _write_manifest(temporary, step)
        if final.exists():  # a damaged one that was set aside leaves its name free; this is older
            files.remove_folder(final)
    files.commit_folder(temporary, final)
    return Checkpoint(step, final)


def verify(checkpoint: Checkpoint) -> str | None:
    """Read every byte and compare hashes; gives what is wrong, or none.

    >>> verify(Checkpoint(1, Path("nowhere")))
    'manifest.json is missing'
    """
    try:
        manifest = files.read_json(checkpoint.folder / MANIFEST)
        listed: dict[str, dict[str, Any]] = manifest["files"]
    except InputMissing:
        return f"{MANIFEST} is missing"
    except (DataError, KeyError, TypeError):
        return f"{MANIFEST} is damaged"
    if manifest.get("step") != checkpoint.step:
        return f"{MANIFEST} is of step {manifest.get('step')}"
    for name, expected in listed.items():
        path = checkpoint.folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["bytes"]:
            return f"{name} has {path.stat().st_size} bytes, not {expected['bytes']}"
        if files.sha256_file(path) != expected["sha256"]:
            return f"{name} does not match its hash"
    return None


def set_aside(checkpoint: Checkpoint) -> Path:
    """Move a damaged checkpoint out of the way, never delete it."""
    folder = checkpoint.folder.parent / "damaged"
    folder.mkdir(exist_ok=True)
    target = folder / checkpoint.folder.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{checkpoint.folder.name}-{number}"
    checkpoint.folder.replace(target)
    return target


def prune(folder: Path, keep: int, also: set[int]) -> list[Checkpoint]:
    """Delete all but the latest `keep` checkpoints and the steps in `also`; gives the deleted."""
    found = list_checkpoints(folder)
    kept = {checkpoint.step for checkpoint in found[-max(keep, 2) :]} | also
    gone = [checkpoint for checkpoint in found if checkpoint.step not in kept]
    for checkpoint in gone:
        files.remove_folder(checkpoint.folder)
    return gone


def remove_later(folder: Path, step: int) -> None:
    """Delete checkpoints beyond the one just saved: a prolonged run has left their branch.

    Kept, they would be taken for the newest after a crash, and push good ones out when pruning.
    """
    for checkpoint in list_checkpoints(folder):
        if checkpoint.step > step:
            files.remove_folder(checkpoint.folder)


def _write_manifest(folder: Path, step: int) -> None:
    entries = {
        str(path.relative_to(folder)): {
            "bytes": path.stat().st_size,
            "sha256": files.sha256_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    for path in folder.rglob("*"):
        if path.is_file():  # safetensors writes files that only their owner may read
            path.chmod(0o666 & ~_umask())
    files.write_json(folder / MANIFEST, {"step": step, "files": entries})


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
