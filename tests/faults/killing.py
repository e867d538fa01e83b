"""Run a command line in a forked process that kills itself at a chosen file operation.

The server process imports torch once; every run is a fork of it, so a run costs a second and not
six. Python's audit events name each file operation before it happens.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

_WATCHED = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"}
_PRELOADED = [
    "torch", "transformers.models.gpt2.modeling_gpt2", "matplotlib.figure",
    "llmctl.pipelines.pretrain", "llmctl.data.sources",
]  # fmt: skip
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_PRELOADED)


def run_and_kill(words: list[str], watched: Path, kill_at: int | None, log: Path | None) -> int:
    """Exit code of the run; -9 when it was killed at operation number `kill_at`."""
    process = _context.Process(target=_run, args=(words, str(watched), kill_at, log))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode


def _run(words: list[str], watched: str, kill_at: int | None, log: Path | None) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    operations: list[str] = []

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _WATCHED or not str(arguments[0]).startswith(watched):
            return
        if event == "open" and str(arguments[1] or "r").startswith("r"):
            return
        operations.append(f"{event} {str(arguments[0])[len(watched) + 1 :]}")
        if len(operations) - 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(listen)
    from llmctl.cli.main import run

    code = run(words)
    if log is not None:
        log.write_text("\n".join(operations), encoding="utf-8")
    sys.exit(code)
