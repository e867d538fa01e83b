"""Several processes from one command, and the group that another launcher started.

torch's elastic launcher turns every failure into exit code 1. So each worker leaves its exit code
and message in a small file, and the launcher passes rank 0's on to the shell.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, Stopped, UsageError

REPORT_FOLDER = "LLMCTL_REPORT_FOLDER"
_SHUTDOWN_SECONDS = 600
"""How long workers may take to save after a signal before they are killed."""


def group_size(environment: Mapping[str, str]) -> int | None:
    """How many processes a launcher (torchrun, accelerate, SLURM) has started; none outside one."""
    if "WORLD_SIZE" in environment:
        return int(environment["WORLD_SIZE"])
    if "SLURM_PROCID" in environment and int(environment.get("SLURM_NTASKS", "1")) > 1:
        return int(environment["SLURM_NTASKS"])
    return None


def adopt_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """What torch wants to know of a group that `srun` started.

    >>> adopt_slurm({"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1",
    ...              "SLURM_JOB_ID": "77", "SLURM_NODELIST": "node[07-08]"})["MASTER_ADDR"]
    'node07'
    """
    if "WORLD_SIZE" in environment or group_size(environment) is None:
        return {}
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_NTASKS"],
        "LOCAL_RANK": environment.get("SLURM_LOCALID", "0"),
        "MASTER_ADDR": _first_host(environment.get("SLURM_NODELIST", "localhost")),
        "MASTER_PORT": str(20000 + int(environment.get("SLURM_JOB_ID", "0")) % 20000),
    }


def _first_host(nodes: str) -> str:
    name, bracket, rest = nodes.partition("[")
    if not bracket or "," in name:
        return nodes.split(",")[0]
    return name + rest.split("]")[0].split(",")[0].split("-")[0]


def processes_to_start(asked: int | None, environment: Mapping[str, str], num_gpus: int) -> int:
    """How many processes this command must start itself; 1 means: work right here.

    Raises:
        UsageError: a launcher started another number than was asked for.
    """
    size = group_size(environment)
    if size is None and any(name.startswith("ACCELERATE_") for name in environment):
        size = 1  # `accelerate launch --cpu --num_processes 2` starts one process and says nothing
    if size is not None:
        if asked is not None and asked != size:
            raise UsageError(
                f"--num-processes {asked} was asked for, but the launcher started {size}",
                hint="leave --num-processes out under a launcher, or start llmctl without one",
            )
        return 1
    return asked if asked is not None else max(1, num_gpus)


def start_processes(count: int, arguments: Sequence[str]) -> int:
    """Run this same program `count` times as one group; gives rank 0's exit code."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # What went wrong is said by the process it went wrong in; the launcher's own tables are noise.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))
    options: dict[str, Any] = {}
    if "shutdown_timeout" in inspect.signature(LaunchConfig).parameters:  # torch 2.13, not 2.11
        options["shutdown_timeout"] = _SHUTDOWN_SECONDS
    with tempfile.TemporaryDirectory(prefix="llmctl-") as reports:
        os.environ[REPORT_FOLDER] = reports
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id="llmctl",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            monitor_interval=0.1,
            **options,
        )
        command = [sys.executable, "-m", "llmctl", *arguments]
        interrupted = False
        try:
            elastic_launch(config, command[0])(*command[1:])
        except ChildFailedError:
            pass
        except SignalException as stopped:
            interrupted = stopped.sigval == signal.SIGINT
        return _passed_on(Path(reports), count, interrupted)


def report_exit(code: int, message: str) -> None:
    """A worker's last words, for the launcher."""
    folder = os.environ.get(REPORT_FOLDER)
    if folder:
        rank = os.environ.get("RANK", "0")
        files.write_json(Path(folder) / f"{rank}.json", {"code": code, "message": message})


def _passed_on(reports: Path, count: int, interrupted: bool) -> int:
    """The exit code of the group: the first rank that failed by itself, else rank 0's.

    When one rank fails, the launcher stops the others with SIGTERM, and they leave with 75: that is
    not what went wrong. Rank 0 has printed its own message; another rank's is printed here.
    """
    found = {int(path.stem): files.read_json(path) for path in reports.glob("*.json")}
    failures = [(rank, report) for rank, report in sorted(found.items()) if report["code"]]
    failures.sort(key=lambda failure: failure[1]["code"] == Stopped.exit_code)
    killed = sorted(set(range(count)) - found.keys())
    if killed and not interrupted:
        names = ", ".join(str(rank) for rank in killed)
        console.warn(f"process {names} of {count} was killed without a word; out of memory?")
    if failures:
        rank, report = failures[0]
        if rank != 0:
            console.warn(f"process {rank}: {report['message']}")
        return int(report["code"])
    if killed:
        return EXIT_INTERRUPTED if interrupted else EXIT_BUG
    return EXIT_DONE
