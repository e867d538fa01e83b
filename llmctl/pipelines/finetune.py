"""`llmctl finetune`: labelled rows → a settled task → features → one loop → a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.errors import UsageError
from llmctl.models.find import is_seeds_folder
from llmctl.pipelines.checkpointing import find_start
from llmctl.pipelines.finetune_export import export_finetuned
from llmctl.pipelines.finetune_inputs import FinetuneInputs, prepare_finetuning
from llmctl.pipelines.finetune_material import finetuning_material
from llmctl.pipelines.finetune_model import (
    attention_of,
    build_finetuned,
    describe_trained,
    usual_rate,
    weights_to_store,
)
from llmctl.pipelines.finetune_results import summarize, write_results
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.training_material import Material
from llmctl.pipelines.training_parts import Parts, build_parts
from llmctl.pipelines.training_run import run_in_folder, train_in_folder
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.training.processes import Processes


@dataclass(frozen=True)
class Outcome:
    """What a finetuning command left behind."""

    folder: Path
    results: dict[str, Any]

    def summary(self) -> str:
        """The closing table, for a person."""
        return summarize(self.results)


def run(
    recipe: FinetuneRecipe, folder: Path, *, fresh: bool = False, argv: Sequence[str] = (),
    stays: bool = False,
) -> Outcome:  # fmt: skip
    """Finetune into a run folder: starts, resumes, or says that it is finished.

    Raises:
        UsageError: the folder holds the runs of several seeds.
    """
    if is_seeds_folder(folder):
        raise UsageError(
            f"{folder} holds the runs of several seeds", hint="--seeds N, or another -o"
        )

    def work(processes: Processes, record: RunRecord) -> dict[str, Any]:
        return _finetune(recipe, folder, processes, record)

    trackers = recipe.logging.trackers
    results = run_in_folder(
        recipe, trackers, folder, fresh=fresh, argv=argv, work=work, stays=stays
    )
    return Outcome(folder, results)


def _finetune(
    recipe: FinetuneRecipe, folder: Path, processes: Processes, record: RunRecord
) -> dict[str, Any]:
    inputs = prepare_finetuning(recipe, folder, processes, record)
    material = finetuning_material(recipe, inputs)
    parts = _parts(recipe, inputs, material, processes, record)
    state = find_start(folder, parts, processes)
    if state.finished is None:
        record.begin_training(recipe)
        settings = recipe.model_dump(mode="json")
        train_in_folder(recipe, settings, folder, material, parts, state, record)
    elif record.is_finished:
        console.note(f"{folder} is finished; nothing to do")
        return record.results()
    export_finetuned(recipe, folder, inputs, parts, state)
    return write_results(recipe, folder, inputs, parts, state, record)


def _parts(
    recipe: FinetuneRecipe, inputs: FinetuneInputs, material: Material, processes: Processes,
    record: RunRecord,
) -> Parts:  # fmt: skip
    model = build_finetuned(recipe, inputs)
    record.describe_model(model, preset=recipe.model.preset, path=recipe.model.path)
    record.update(model=record.content["model"] | describe_trained(model))
    attention, rate = attention_of(recipe, inputs.head, model), usual_rate(recipe)
    weights = weights_to_store(recipe, model, record)
    return build_parts(recipe, material, model, attention, rate, processes, record, weights)
