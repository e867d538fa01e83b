"""Where a training command runs: right here, in a group it starts, or in one it finds itself in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from llmctl.recipe.load import load_recipe
from llmctl.recipe.schema import RECIPES
from llmctl.training import launch

Command = Literal["pretrain", "finetune"]
_PIPELINES: Mapping[Command, str] = {
    "pretrain": "llmctl.pipelines.pretrain",
    "finetune": "llmctl.pipelines.finetune",
}


class Outcome(Protocol):
    """What a training command left behind."""

    @property
    def results(self) -> dict[str, Any]: ...
    def summary(self) -> str:
        """The closing table, for a person."""


def start_training(
    command: Command, name: str, overrides: Sequence[str], folder: Path, *,
    num_processes: int | None, fresh: bool, words: Sequence[str], seeds: int | None = None,
) -> Outcome | int:  # fmt: skip
    """Check the recipe, then run it; gives the outcome, or the exit code of a group it started.

    Args:
        words: options that started processes are given too.
        seeds: runs with so many seeds, of a command that knows them.
    """
    # Mistakes are found before anything heavy is imported.
    recipe = load_recipe(name, overrides, RECIPES.get(command))
    typed = [command, name, *overrides, "-o", str(folder), *words]
    import torch

    count = launch.processes_to_start(num_processes, os.environ, torch.cuda.device_count())
    if count > 1:
        return launch.start_processes(count, [*typed, *(["--fresh"] if fresh else [])])
    os.environ.update(launch.adopt_slurm(os.environ))
    run = import_module(_PIPELINES[command]).run
    if seeds is not None:
        run = partial(import_module(f"{_PIPELINES[command]}_seeds").run, seeds=seeds)
    outcome: Outcome = run(recipe, folder, fresh=fresh, argv=["llmctl", *typed])
    return outcome
