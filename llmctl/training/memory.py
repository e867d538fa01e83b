"""Memory: how much of it is free, and on a CPU keeping what was freed."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

# Parameters of mallopt, from <malloc.h>.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_TOP_PAD_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Tell the C library's allocator to keep freed blocks; gives whether it listened.

    Activations are tens of megabytes, and glibc by default maps and unmaps each of them: on two
    cores a third of a small model's step went into page faults.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)


def free_memory(device: torch.device, sharers: int = 1) -> float:
    """Bytes free on the device; on a CPU, one process' part of what the machine has free.

    Args:
        sharers: processes that share a CPU's memory.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    import psutil

    free = psutil.virtual_memory().available
    return float(min(free, container_limit() or free)) / sharers


def container_limit() -> int | None:
    """Bytes that a container may use (control groups, version 2, then 1); none without a limit."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 2**60:
            return int(text)
    return None
