"""`llmctl pretrain`: text → tokenizer → token blocks → model → one loop → a plain model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.pipelines.checkpointing import find_start
from llmctl.pipelines.export import export_model
from llmctl.pipelines.pretrain_batches import pretraining_material
from llmctl.pipelines.pretrain_inputs import Inputs, prepare_inputs
from llmctl.pipelines.pretrain_model import build_model
from llmctl.pipelines.pretrain_results import summarize, write_results
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.training_material import Material
from llmctl.pipelines.training_parts import Parts, build_parts
from llmctl.pipelines.training_run import run_in_folder, train_in_folder
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training.optimizers import default_learning_rate
from llmctl.training.processes import Processes


@dataclass(frozen=True)
class Outcome:
    """What a pretraining command left behind."""

    folder: Path
    results: dict[str, Any]

    def summary(self) -> str:
        """The closing table, for a person."""
        return summarize(self.results)


def run(
    recipe: PretrainRecipe, folder: Path, *, fresh: bool = False, argv: Sequence[str] = ()
) -> Outcome:
    """Pretrain into a run folder: starts, resumes, or says that it is finished."""

    def work(processes: Processes, record: RunRecord) -> dict[str, Any]:
        return _pretrain(recipe, folder, processes, record)

    trackers = recipe.logging.trackers
    results = run_in_folder(recipe, trackers, folder, fresh=fresh, argv=argv, work=work)
    return Outcome(folder, results)


def _pretrain(
    recipe: PretrainRecipe, folder: Path, processes: Processes, record: RunRecord
) -> dict[str, Any]:
    inputs = prepare_inputs(recipe, folder, processes, record)
    material = pretraining_material(recipe, inputs)
    parts = _parts(recipe, inputs, material, processes, record)
    state = find_start(folder, parts, processes)
    if state.finished is None:
        record.begin_training(recipe)
        settings = recipe.model_dump(mode="json")
        train_in_folder(recipe, settings, folder, material, parts, state, record)
    elif record.is_finished:
        console.note(f"{folder} is finished; nothing to do")
        return record.results()
    export_model(recipe, folder, inputs, parts, state)
    return write_results(recipe, folder, inputs, parts, state, record)


def _parts(
    recipe: PretrainRecipe, inputs: Inputs, material: Material, processes: Processes,
    record: RunRecord,
) -> Parts:  # fmt: skip
    model = build_model(recipe, inputs)
    record.describe_model(model, preset=recipe.model.preset, path=recipe.model.path)
    return build_parts(
        recipe, material, model, recipe.model.attention, default_learning_rate, processes, record
    )
