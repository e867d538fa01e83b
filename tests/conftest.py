"""Fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fakes
import pytest

# Before huggingface_hub is imported, which reads them once: no test may try the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Tiny models gain nothing from a second thread, and two threads a process wait for each other when
# tests, or the processes they start, share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Outcome:
    """What a command line left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _loud() -> Iterator[None]:
    """A command line that was told to be quiet must not silence the next test."""
    yield
    from llmctl import console

    console.configure(quiet=False)


@pytest.fixture
def llmctl(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process: `llmctl("recipe", "list").code == 0`."""
    from llmctl.cli.main import run

    def call(*words: object) -> Outcome:
        capfd.readouterr()
        code = run([str(word) for word in words])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE of 384 tokens that can write any text."""
    return fakes.make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """A two-layer GPT-2 with random weights, 64 positions, and that tokenizer."""
    return fakes.make_model(tmp_path_factory.mktemp("model"), tokenizer_folder)


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
