"""Several seeds: a run for each, and what their results have in common."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_runs import CASES, write_recipe
from safetensors.torch import load_file

from llmctl import files
from llmctl.errors import EXIT_DONE, UsageError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a classifier, at a rate that tells them apart."""
    from llmctl.cli.main import run

    folder = tmp_path_factory.mktemp("seeds")
    recipe = write_recipe(folder, CASES[0])
    assert run(["finetune", str(recipe), "-o", str(folder / "run"), "--seeds", "2", "seed=7"]) == 0
    return folder


def test_every_seed_is_a_run_of_its_own(place: Path) -> None:
    from llmctl.recipe.load import load_recipe

    for seed in (7, 8):
        run = place / "run" / f"seed-{seed}"
        assert files.read_json(run / "run.json")["status"] == "finished"
        assert getattr(load_recipe(str(run / "recipe.yaml")), "seed", None) == seed
    weights = [
        load_file(place / "run" / f"seed-{seed}" / "last" / "model.safetensors") for seed in (7, 8)
    ]
    assert not torch.equal(weights[0]["classifier.weight"], weights[1]["classifier.weight"])


def test_the_results_are_mean_and_deviation_of_the_runs(place: Path) -> None:
    runs = [files.read_json(place / "run" / f"seed-{seed}" / "results.json") for seed in (7, 8)]
    found = files.read_json(place / "run" / "results.json")

    assert found["seeds"] == [7, 8]
    losses = [run["validation"]["loss"] for run in runs]
    assert found["validation"]["loss"]["values"] == losses
    for name, entry in found["validation"]["metrics"].items():
        values = [run["validation"]["metrics"][name]["value"] for run in runs]
        assert entry["values"] == values
        if None not in values:
            assert entry["mean"] == pytest.approx(sum(values) / 2)
            # Of two numbers: half their distance times the root of two.
            assert entry["deviation"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert found["test"] is None


def test_the_model_is_that_of_the_best_seed(
    llmctl: Callable[..., Any], place: Path, tmp_path: Path
) -> None:
    found = files.read_json(place / "run" / "results.json")
    values = found["validation"]["metrics"][found["metric"]]["values"]
    best = found["seeds"][values.index(max(values))]

    assert found["best_seed"] == best
    assert (place / "run" / "model").resolve() == (place / "run" / f"seed-{best}" / "model")
    rows = place / "classes-held-out.jsonl"
    for name, model in (("a", place / "run"), ("b", place / "run" / f"seed-{best}")):
        done = llmctl("predict", model, rows, "-o", tmp_path / f"{name}.jsonl")
        assert done.code == EXIT_DONE, done.err
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()


def test_repeating_the_command_repeats_no_run_and_adds_a_seed(
    llmctl: Callable[..., Any], place: Path
) -> None:
    recipe, run = place / "classes.yaml", place / "run"
    before = (run / "seed-7" / "metrics.jsonl").read_bytes()

    done = llmctl("finetune", recipe, "-o", run, "--seeds", 3, "seed=7", "--json")

    assert done.code == EXIT_DONE, done.err
    assert done.err.count("is finished; nothing to do") == 2
    assert (run / "seed-7" / "metrics.jsonl").read_bytes() == before
    found = json.loads(done.out)
    values = found["validation"]["loss"]["values"]
    assert found["seeds"] == [7, 8, 9]
    assert found["validation"]["loss"]["deviation"] == pytest.approx(statistics.stdev(values))
    text = llmctl("finetune", recipe, "-o", run, "--seeds", 3, "seed=7").out
    assert "mean" in text
    assert "deviation" in text
    assert all(f"{value:.4f}" in text for value in values)


def test_a_folder_of_seeds_and_a_folder_of_one_run_are_not_mixed(
    llmctl: Callable[..., Any], place: Path
) -> None:
    recipe, run = place / "classes.yaml", place / "run"

    alone = llmctl("finetune", recipe, "-o", run)
    assert (alone.code, "--seeds N" in alone.err) == (UsageError.exit_code, True)

    several = llmctl("finetune", recipe, "-o", run / "seed-7", "--seeds", 2)
    assert several.code == UsageError.exit_code
    assert "holds a single run" in several.err


def test_zero_seeds_are_refused(llmctl: Callable[..., Any], place: Path, tmp_path: Path) -> None:
    refused = llmctl("finetune", place / "classes.yaml", "-o", tmp_path / "x", "--seeds", 0)

    assert refused.code == UsageError.exit_code
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_run_several_seeds_and_give_one_result(tmp_path: Path) -> None:
    """The group is joined again for every seed."""
    recipe = write_recipe(tmp_path, CASES[0])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    words = ["-m", "llmctl", "finetune", recipe, "-o", tmp_path / "run", "--seeds", "2", "--json",
             "--num-processes", "2", "budget.steps=2"]  # fmt: skip

    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment,
        timeout=300,
    )  # fmt: skip

    assert done.returncode == EXIT_DONE, done.stderr
    assert json.loads(done.stdout)["seeds"] == [1, 2]
    for seed in (1, 2):
        assert files.read_json(tmp_path / "run" / f"seed-{seed}" / "run.json")["num_processes"] == 2
