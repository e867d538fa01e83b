"""What tests of metrics share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def load_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], Any]]:
    """`evaluate.load` with a cache of its own. The package that `evaluate` imports modules from
    stays where the first test of a process has put it, unless it is forgotten."""
    import evaluate

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "evaluate_modules"]:
            del sys.modules[name]

    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", tmp_path / "modules")
    monkeypatch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget()
    yield lambda path: evaluate.load(str(path), cache_dir=str(tmp_path))
    forget()
