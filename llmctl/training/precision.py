"""Number formats: which one this machine computes in hardware, and how fast."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext

import torch

_PEAK_RUNS = 20


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware, not emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
    return False


def choose_precision(setting: str, device: torch.device) -> torch.dtype:
    if setting == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    return torch.bfloat16 if setting == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Matrix products in `dtype`, weights and sums in float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def use_repeatable_kernels(only: bool) -> None:
    """Whether torch takes only kernels that repeat bit for bit; before the first matrix product,
    since cuBLAS reads its variable then."""
    if only:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(only)


def measure_peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product on this device.

    The denominator of the model FLOPs utilisation that is shown while training: a measured peak,
    since a data sheet's is not reached by any program. Best of several short runs.
    """
    size = 8192 if device.type == "cuda" else 1024
    generator = torch.Generator(device=device).manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=generator, device=device).to(dtype) for _ in range(2)
    )
    best = float("inf")
    for _ in range(_PEAK_RUNS):
        _synchronize(device)
        start = time.perf_counter()
        torch.matmul(left, right)
        _synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
