"""Where `llmctl pretrain` runs: right here, in a group it starts, or in one it finds itself in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.recipe.load import load_recipe
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training import launch

if TYPE_CHECKING:
    from llmctl.pipelines.pretrain import Outcome


def start_pretraining(
    name: str, overrides: Sequence[str], folder: Path, *, num_processes: int | None, fresh: bool,
    words: Sequence[str],
) -> Outcome | int:  # fmt: skip
    """Check the recipe, then run it; gives the outcome, or the exit code of a group it started.

    Args:
        words: options that started processes are given too.
    """
    # Mistakes are found before anything heavy is imported.
    recipe = load_recipe(name, overrides, PretrainRecipe)
    command = ["pretrain", name, *overrides, "-o", str(folder), *words]
    import torch

    count = launch.processes_to_start(num_processes, os.environ, torch.cuda.device_count())
    if count > 1:
        return launch.start_processes(count, [*command, *(["--fresh"] if fresh else [])])
    os.environ.update(launch.adopt_slurm(os.environ))
    from llmctl.pipelines.pretrain import run

    return run(recipe, folder, fresh=fresh, argv=["llmctl", *command])
