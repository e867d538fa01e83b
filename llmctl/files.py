"""Files that are either whole or absent: atomic writes, folder commits, hashes, JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmctl.errors import DataError, InputMissing, StorageError, UsageError

TEMPORARY_PREFIX = ".tmp-"
_CHUNK_BYTES = 1 << 20


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a read-only folder or a failing device into exit code 74."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(
            f"cannot write {path}: {reason}",
            hint=f"check the space and rights: df -h {path.parent}",
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it holds the old content or the new, never a part."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}"
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON with a final newline. NaN and infinity are refused: they are not JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of ours.

    Raises:
        InputMissing: there is no such file.
        DataError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputMissing(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def append_json_line(path: Path, value: dict[str, Any]) -> None:
    """Add one line to a JSON Lines file; a line is written with one system call."""
    with storage_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """One JSON value a line; the whole file, or nothing of it."""
    lines = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)
    write_text(path, "".join(lines))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a JSON Lines file; a last line cut short by a crash is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def check_output_folder(folder: Path) -> None:
    """
    Raises:
        UsageError: what `-o` names is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {folder} is a file; a folder to write was expected")


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def commit_folder(temporary: Path, final: Path) -> None:
    """Give a finished folder its name: all its files reach the disk first, then one rename."""
    with storage_errors(final):
        for path in sorted(temporary.rglob("*")):
            if path.is_file():
                sync_file(path)
            elif path.is_dir():
                sync_folder(path)
        sync_folder(temporary)
        temporary.replace(final)
        sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Delete a folder so that a crash half-way leaves only a name that is never read."""
    if not folder.exists():
        return
    trash = folder.parent / f"{TEMPORARY_PREFIX}trash-{folder.name}-{os.getpid()}"
    folder.replace(trash)
    shutil.rmtree(trash, ignore_errors=True)


def remove_temporaries(folder: Path) -> None:
    """Delete what an earlier, killed process left half-written in a folder."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_folder(folder: Path) -> str:
    """One hash over the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link at another name next to it, at no moment missing."""
    temporary = link.parent / f"{TEMPORARY_PREFIX}{link.name}-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
