"""Two real processes: the same losses as one, every block once, exit codes through the launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fakes
import pytest
from tiny_run import write_recipe

from llmctl import files

pytestmark = [pytest.mark.slow, pytest.mark.processes]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("two")
    return write_recipe(folder, tokenizer_folder, fakes.make_text_file(folder / "a.txt", 60))


def start(*words: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, *(str(word) for word in words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def losses(run: Path) -> list[float]:
    lines = files.read_json_lines(run / "metrics.jsonl")
    return [line["loss"] for line in lines if "loss" in line]


@pytest.fixture(scope="module")
def alone(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    code, _, err = finish(start("-m", "llmctl", "pretrain", recipe, "budget.steps=20", "-o", run))
    assert code == 0, err
    return run


def test_two_processes_give_the_losses_of_one(recipe: Path, alone: Path, tmp_path: Path) -> None:
    """Relative 1e-5 over 20 steps: float32 sums in another order."""
    run = tmp_path / "run"
    code, out, err = finish(
        start(
            "-m", "llmctl", "pretrain", recipe, "budget.steps=20", "--num-processes", 2, "-o", run
        )
    )

    assert code == 0, err
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5)
    assert files.read_json(run / "run.json")["num_processes"] == 2
    assert (
        files.read_json(run / "results.json")["tokens"]
        == (files.read_json(alone / "results.json")["tokens"])
    )
    assert out.count("best validation loss") == 1  # only rank 0 speaks


def test_a_group_that_torchrun_started_is_joined(recipe: Path, alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, _, err = finish(
        start("-m", "torch.distributed.run", "--nproc-per-node", 2, "-m", "llmctl", "pretrain",
              recipe, "budget.steps=20", "-o", run)
    )  # fmt: skip

    assert code == 0, err
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5)
    assert files.read_json(run / "run.json")["num_processes"] == 2


def test_two_processes_killed_and_resumed_give_the_same_losses(
    recipe: Path, alone: Path, tmp_path: Path
) -> None:
    """One rank is killed outright after a checkpoint; the launcher ends the other."""
    run = tmp_path / "run"
    words = ("-m", "llmctl", "pretrain", recipe, "budget.steps=20", "--num-processes", 2, "-o", run)
    first = start(*words)
    wait_for(run / "checkpoints" / "step-00000003", first)
    victim = workers_of(first.pid)[-1]
    os.kill(victim, signal.SIGKILL)
    code, _, err = finish(first)
    assert code != 0

    again, _, err = finish(start(*words))

    assert again == 0, err
    assert "going on from step" in err
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5)


def test_a_signal_to_the_launcher_saves_and_exits_75(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("-m", "llmctl", "pretrain", recipe, "budget.steps=5000", "logging.every_steps=10",
             "--num-processes", 2, "-o", run)  # fmt: skip
    process = start(*words)
    wait_for(run / "checkpoints" / "step-00000003", process)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)

    assert code == 75, err
    assert "everything is saved" in err
    assert "hint: repeat the same command to go on" in err
    assert "Traceback" not in err
    assert files.read_json(run / "run.json")["status"] == "stopped"


def test_an_error_reaches_the_shell_with_its_code_and_message(recipe: Path, tmp_path: Path) -> None:
    code, _, err = finish(
        start("-m", "llmctl", "pretrain", recipe, "data.train=missing.txt", "--num-processes", 2,
              "-o", tmp_path / "run")
    )  # fmt: skip

    assert code == 66
    assert err.count("error: ") == 1
    assert "missing.txt" in err
    assert "Traceback" not in err


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def workers_of(parent: int) -> list[int]:
    import psutil

    return sorted(
        child.pid
        for child in psutil.Process(parent).children(recursive=True)
        if "llmctl" in child.cmdline()
    )
