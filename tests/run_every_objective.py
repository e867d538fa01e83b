"""Trains recipes one after the other in one group of processes: what a launcher starts in a test.

python -m torch.distributed.run --nproc-per-node 2 run_every_objective.py FOLDER RECIPE...
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from llmctl.recipe.load import load_recipe
from llmctl.training.processes import Processes

if __name__ == "__main__":
    # The group stays for the next recipe: one that is left cannot be joined again.
    Processes.leave = lambda _: None  # type: ignore[method-assign]
    folder = Path(sys.argv[1])
    for path in map(Path, sys.argv[2:]):
        recipe = load_recipe(str(path), [])
        run = import_module(f"llmctl.pipelines.{recipe.command}").run  # type: ignore[attr-defined]
        run(recipe, folder / path.stem)
