"""What `llmctl doctor env` looks at: each look gives findings, good or with advice."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

GIB = 2**30
_LITTLE_MEMORY = 4 * GIB
_LITTLE_DISK = 10 * GIB
_LITTLE_SHARED_MEMORY = GIB
_SLOW_FSYNC_SECONDS = 0.5


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found, and advice if it is not well."""

    name: str
    found: str
    verdict: Literal["ok", "warn"] = "ok"
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(name: str, found: str, problem: str | None = None) -> Finding:
    """A finding that is well unless there is a problem, which is then the advice.

    >>> judge("disk", "2 GiB free", "make space").verdict
    'warn'
    """
    return Finding(name, found, "warn" if problem else "ok", problem or "")


def look_at_python() -> Iterator[Finding]:
    yield judge("python", f"{platform.python_version()} at {sys.executable}")
    system = platform.system()
    advice = None if system in ("Linux", "Darwin") else "use Linux, on Windows through WSL"
    yield judge("system", platform.platform(), advice)


def look_at_packages(distribution: str = "llmctl") -> Iterator[Finding]:
    """Every required package against the range it is supported in."""
    try:
        required = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        yield judge(
            "packages", f"{distribution} is not installed", "pip install -e . in its folder"
        )
        return
    yield from judge_packages(required, _installed_version)


def judge_packages(
    required: Iterable[str], version_of: Callable[[str], str | None]
) -> Iterator[Finding]:
    """
    >>> [finding.verdict for finding in judge_packages(["numpy>=2.1"], lambda name: "1.26")]
    ['warn']
    """
    from packaging.requirements import Requirement

    for text in required:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = version_of(requirement.name)
        advice = None
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            advice = f"pip install '{requirement.name}{requirement.specifier}'"
        expected = f" (needs {requirement.specifier})" if requirement.specifier else ""
        yield judge(requirement.name, (version or "not installed") + expected, advice)


def look_at_processor() -> Iterator[Finding]:
    import psutil
    import torch

    from llmctl.training.precision import has_bfloat16

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = psutil.cpu_count(logical=False)
    yield judge("processor", f"{_processor_name()}, {torch.backends.cpu.get_cpu_capability()}")
    yield judge_threads(torch.get_num_threads(), usable or 1, cores, os.environ)
    has = has_bfloat16(torch.device("cpu"))
    yield judge("bfloat16 on the CPU", "in hardware" if has else "not in hardware: float32 is used")


def judge_threads(
    threads: int, usable: int, cores: int | None, environment: Mapping[str, str]
) -> Finding:
    """Warn of more threads than processors, which slows every matrix product down."""
    setting = environment.get("OMP_NUM_THREADS")
    said = f" (OMP_NUM_THREADS={setting})" if setting else ""
    found = f"{threads}{said} on {usable} usable processors, {cores or '?'} cores"
    problem = None
    if threads > usable:
        problem = f"export OMP_NUM_THREADS={usable}"
    elif usable >= 4 and threads * 4 <= usable:
        problem = f"most of the machine lies idle: export OMP_NUM_THREADS={cores or usable}"
    return judge("threads", found, problem)


def look_at_memory() -> Iterator[Finding]:
    import psutil

    from llmctl.training.memory import container_limit

    memory = psutil.virtual_memory()
    limit = container_limit()
    total = min(memory.total, limit or memory.total)
    free = min(memory.available, total)
    advice = "choose a small preset or a smaller batch.micro_batch_size"
    yield judge(
        "memory", f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
        + (" (limit of the container)" if limit and limit < memory.total else ""),
        advice if free < _LITTLE_MEMORY else None,
    )  # fmt: skip


def look_at_gpus() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
        advice = "install a torch build with CUDA: https://pytorch.org/get-started/locally"
        yield judge("GPU", "none that torch can use", advice if driver else None)
        return
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        yield judge(
            f"GPU {number}",
            f"{about.name}, compute capability {about.major}.{about.minor}, "
            f"{free / GIB:.1f} of {total / GIB:.1f} GiB free, CUDA {torch.version.cuda}",
            "another program holds half of its memory: nvidia-smi" if free < total / 2 else None,
        )
    shared = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    if torch.cuda.device_count() > 1 and shared.is_dir():
        size = shutil.disk_usage(shared).total
        little = size < _LITTLE_SHARED_MEMORY
        hint = "several GPUs need it: docker run --shm-size=8g" if little else None
        yield judge("shared memory", f"{size / GIB:.1f} GiB", hint)


def look_at_folder(folder: Path) -> Iterator[Finding]:
    """Free space, and whether checkpoints can be committed and locked here."""
    usage = shutil.disk_usage(folder)
    advice = "checkpoints need three times the model and its optimizer: free some space"
    yield judge(
        "disk", f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB free in {folder.resolve()}",
        advice if usage.free < _LITTLE_DISK else None,
    )  # fmt: skip
    try:
        seconds, locks = _try_folder(folder)
    except OSError as error:
        problem = f"write runs elsewhere: -o FOLDER ({os.strerror(error.errno or 0)})"
        yield judge("writing", f"{folder.resolve()} cannot be written safely", problem)
        return
    slow = f"{seconds:.1f} s for one fsync: write runs to a local disk"
    yield judge(
        "writing", f"fsync {1000 * seconds:.1f} ms, atomic rename and links work",
        slow if seconds > _SLOW_FSYNC_SECONDS else None,
    )  # fmt: skip
    yield judge(
        "locking", "works" if locks else "two processes can hold one lock here",
        None if locks else "never start two commands on one run folder, or use a local disk",
    )  # fmt: skip


def look_at_hub(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Which variables of the Hugging Face libraries are set. Their values may be secrets."""
    names = sorted(name for name in environment if name.startswith(("HF_", "HUGGING")))
    yield judge("Hugging Face variables", ", ".join(names) or "none set")


def _try_folder(folder: Path) -> tuple[float, bool]:
    """Write, sync, rename, link and lock as a run does: seconds of an fsync, and whether a lock
    keeps a second holder out."""
    with tempfile.TemporaryDirectory(prefix=".llmctl-doctor-", dir=folder) as temporary:
        path = Path(temporary) / "file"
        with path.open("wb") as stream:
            stream.write(b"x" * 4096)
            stream.flush()
            start = time.perf_counter()
            os.fsync(stream.fileno())
            seconds = time.perf_counter() - start
        renamed = path.with_name("renamed")
        path.replace(renamed)
        path.symlink_to("renamed")
        with renamed.open("ab") as first, renamed.open("ab") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return seconds, True
    return seconds, False


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
