"""A run in its folder, whatever it trains: joins the group, holds the folder, calls the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from llmctl.errors import LlmctlError
from llmctl.pipelines.checkpointing import Saver
from llmctl.pipelines.run_folder import RunRecord, lock, set_old_run_aside
from llmctl.pipelines.training_material import Material, TrainingRecipe
from llmctl.pipelines.training_parts import Parts
from llmctl.section import Section
from llmctl.training.batches import StepBatches
from llmctl.training.loop import Attempt, train
from llmctl.training.memory import keep_freed_memory
from llmctl.training.panel import Panel
from llmctl.training.plot import draw_losses
from llmctl.training.processes import Processes, join_processes
from llmctl.training.signals import listen_for_stop
from llmctl.training.state import Plan, TrainState
from llmctl.training.trackers import check_trackers, start_trackers
from llmctl.training.tracking import Recorder
from llmctl.training.validation import Validation

Results = dict[str, Any]


def run_in_folder(
    recipe: Section, trackers: Sequence[str], folder: Path, *, fresh: bool, argv: Sequence[str],
    work: Callable[[Processes, RunRecord], Results], stays: bool = False,
) -> Results:  # fmt: skip
    """Do the work of a training command in its run folder, which nobody else may write meanwhile.

    Under a launcher every process of the group calls this.

    Args:
        stays: another run of this group follows.
    """
    check_trackers(trackers)
    keep_freed_memory()
    processes = join_processes(
        cpu=not torch.cuda.is_available(), trackers=trackers, folder=str(folder)
    )
    with ExitStack() as held:
        held.callback(processes.rest if stays else processes.leave)
        if fresh:
            processes.on_main(lambda: set_old_run_aside(folder))
        processes.on_main(lambda: held.enter_context(lock(folder)))
        record = RunRecord.open(folder, recipe, processes, argv)
        try:
            return work(processes, record)
        except LlmctlError as failure:
            record.fail(failure)
            raise


def validation_of(recipe: TrainingRecipe, material: Material, plan: Plan) -> Validation | None:
    """The first held-out rows, in their own order."""
    if material.make_validation_batch is None:
        return None
    num_rows = material.num_validation_rows
    num_rows = min(num_rows, recipe.validation.max_rows or num_rows)
    return Validation(
        material.make_validation_batch, num_rows, plan.micro_batch_size, material.judge
    )


def train_in_folder(
    recipe: TrainingRecipe, settings: dict[str, Any], folder: Path, material: Material,
    parts: Parts, state: TrainState, record: RunRecord,
) -> None:  # fmt: skip
    """Train from `state` until finished; metrics, checkpoints and the plot go to the folder.

    Args:
        settings: the recipe as trackers are told.
    """
    processes, plan = parts.trainable.processes, parts.plan
    batches = StepBatches(
        material.make_batch,
        rows_per_step=plan.rows_per_step,
        own_rows=processes.own_rows(plan.rows_per_step),
        micro_batch_size=plan.micro_batch_size,
    )
    recorder = Recorder(
        folder, processes, plan, num_rows=material.num_rows,
        flops_per_token=parts.flops_per_token, peak_flops=parts.peak_flops,
        panel=Panel(plan, f"{folder}"), trackers=bool(recipe.logging.trackers),
        parts=parts.trainable.parts, source_epochs=material.epochs_of_sources,
    )  # fmt: skip
    if recipe.logging.trackers:
        start_trackers(processes, recipe.logging.project, settings)
    saver = Saver(folder, parts, recipe.checkpoints, record)
    recorder.resume(state)
    try:
        with listen_for_stop() as stop:
            train(
                Attempt(
                    parts.trainable, plan, parts.schedule, batches,
                    validation_of(recipe, material, plan), recorder, saver.save, stop,
                ),
                state,
            )  # fmt: skip
    finally:
        recorder.close()
        batches.close()
        if processes.is_main:
            draw_losses(folder)
