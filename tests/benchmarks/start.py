"""How long `llmctl --help` takes, as a whole process. Run: python tests/benchmarks/start.py"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 21


def measure(words: list[str]) -> tuple[list[float], list[float]]:
    """Wall and processor seconds of each run."""
    wall, processor = [], []
    for _ in range(RUNS):
        before, start = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        wall.append(time.perf_counter() - start)
        after = os.times()
        processor.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    return wall, processor


if __name__ == "__main__":
    for name, words in (
        ("python -c pass", ["-c", "pass"]),
        ("llmctl --help", ["-m", "llmctl", "--help"]),
        ("llmctl pretrain --help", ["-m", "llmctl", "pretrain", "--help"]),
        ("llmctl recipe list", ["-m", "llmctl", "recipe", "list"]),
    ):
        wall, processor = measure(words)
        print(
            f"{name:24s} wall min {min(wall):.3f} median {statistics.median(wall):.3f} s, "
            f"processor median {statistics.median(processor):.3f} s"
        )
