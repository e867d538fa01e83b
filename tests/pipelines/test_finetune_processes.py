"""Two processes give the losses and the scores of one, for every finetuning task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from finetune_runs import CASES, TaskCase, losses, straight_run, write_recipe

from llmctl import files

pytestmark = [pytest.mark.slow, pytest.mark.processes]

DRIVER = Path(__file__).parents[1] / "run_every_objective.py"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one group of two processes made of the recipe of every case."""
    folder = tmp_path_factory.mktemp("two-tasks")
    recipes = [write_recipe(folder, case) for case in CASES]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
         "2", str(DRIVER), str(folder / "runs"), *map(str, recipes)],
        capture_output=True, text=True, env=environment, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "runs"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_processes_give_the_losses_and_scores_of_one(
    two: Path, tmp_path_factory: pytest.TempPathFactory, case: TaskCase
) -> None:
    """Held-out rows are shared unevenly (21 of them). Tolerances as for objectives; a score that
    counts answers is equal unless an answer is a tie."""
    alone = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", case)
    both = two / str(case)

    assert losses(both)[:3] == pytest.approx(losses(alone)[:3], rel=1e-5)
    assert losses(both) == pytest.approx(losses(alone), rel=1e-4)
    first = files.read_json(alone / "results.json")["validation"]["metrics"]
    found = files.read_json(both / "results.json")["validation"]["metrics"]
    for name, expected in first.items():
        assert found[name]["value"] == pytest.approx(expected["value"], rel=1e-3), name
    assert files.read_json(both / "run.json")["num_processes"] == 2
