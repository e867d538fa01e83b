"""A folder that appears under its name only when it is finished."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmctl.errors import Locked
from llmctl.files import TEMPORARY_PREFIX, commit_folder, remove_folder, storage_errors


@contextmanager
def folder_in_making(final: Path) -> Iterator[Path]:
    """Give a temporary folder to write in; it replaces `final` if the body ends well.

    What a killed process left half-written is removed first. If the body fails, nothing is left and
    an older `final` is untouched.

    Raises:
        Locked: another process is making the same folder.
        StorageError: the disk is full or read-only.
    """
    temporary = final.parent / f"{TEMPORARY_PREFIX}{final.name}"
    with storage_errors(final):
        temporary.mkdir(parents=True, exist_ok=True)
    with lock_folder(temporary, subject=final):
        _empty(temporary)
        try:
            yield temporary
            remove_folder(final)
            commit_folder(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def lock_folder(folder: Path, *, subject: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the lock ends with this process, however it ends.

    Raises:
        Locked: another process holds it; the message names `subject`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another process is writing {subject}", hint="wait for it, or write another folder"
            ) from None
        except OSError:
            pass  # some network file systems have no locks: go on without
        yield
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
