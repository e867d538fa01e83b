"""Memory on a CPU: keep what was freed, instead of asking the system for it at every step."""

from __future__ import annotations

import ctypes

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
