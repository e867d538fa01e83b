"""The second half of a run's set-up: loss module, optimizers and the plan, built in that order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from llmctl.models import build
from llmctl.models.counting import frozen_share
from llmctl.models.heads import wrap
from llmctl.models.layers import depths_of
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.stored_weights import StoredWeights, WholeWeights
from llmctl.pipelines.training_material import Material, TrainingRecipe
from llmctl.training import planning
from llmctl.training.batches import Batch, MicroBatch
from llmctl.training.memory import free_memory
from llmctl.training.optimizers import build_optimizers
from llmctl.training.precision import (
    choose_precision,
    measure_peak_flops,
    use_repeatable_kernels,
)
from llmctl.training.processes import Processes
from llmctl.training.schedules import decay_start, warmup_steps
from llmctl.training.settings import Schedule
from llmctl.training.state import Plan
from llmctl.training.step import LossModule, Trainable, freeze_unused

_STEPS_THAT_PAY_COMPILE = 500


@dataclass(frozen=True)
class Parts:
    """Everything that trains, and the numbers it goes by."""

    model: PreTrainedModel
    weights: StoredWeights
    trainable: Trainable
    plan: Plan
    schedule: Schedule
    flops_per_token: float
    peak_flops: float


def build_parts(
    recipe: TrainingRecipe, material: Material, model: PreTrainedModel, attention: str,
    default_rate: Callable[[int], float], processes: Processes, record: RunRecord,
    weights: StoredWeights | None = None,
) -> Parts:  # fmt: skip
    """Loss module → optimizers → plan. What `auto` chose is frozen in run.json.

    Args:
        model: on the CPU, in float32.
        attention: the setting `model.attention`.
        default_rate: learning rate for a number of parameters, where the recipe names none.
        weights: what checkpoints hold of the model; none: all of it.
    """
    use_repeatable_kernels(recipe.compute.deterministic)
    precision = choose_precision(
        record.frozen("precision", _precision_name(recipe, processes)), processes.device
    )
    model = model.to(processes.device)
    attention = record.frozen("attention", attention)
    record.content["auto"]["attention"] = build.choose_attention(
        model, attention, material.row_length
    )
    if recipe.compute.gradient_checkpointing:
        build.recompute_activations(model)
    plan, schedule = _plan(recipe, material, model, processes, record)
    module = LossModule(wrap(model, material.head), material.loss)
    first = material.make_batch(np.zeros(1, dtype=np.int64))
    freeze_unused(module, MicroBatch(0, first), processes.device)
    compiles = _compiles(recipe, processes.device, plan.total_steps)
    if compiles if recipe.compute.compile != "auto" else record.frozen("compile", compiles):
        module.compile()
    rate = _learning_rate(recipe, model, default_rate, record)
    depths = depths_of(model) if recipe.optimizer.layer_decay is not None else None
    optimizers = build_optimizers(recipe.optimizer, model, rate, depths)
    trainable = Trainable(
        processes.accelerator.prepare(module), optimizers, material.parts, processes, precision,
        recipe.compute.max_gradient_norm, recipe.seed,
    )  # fmt: skip
    trainable.module.train()
    peak = sum(processes.sum(measure_peak_flops(processes.device, precision)))
    record.update(
        budget={"steps": plan.total_steps, "hours": plan.hours},
        peak_flops=peak,
    )
    flops = _flops_per_token(material.head, model, first)
    weights = weights or WholeWeights(model)
    return Parts(model, weights, trainable, plan, schedule, flops, peak)


def _flops_per_token(head: str, model: PreTrainedModel, batch: Batch) -> float:
    """Operations for one token of text, by what the first training row became.

    A matrix that is frozen, as under LoRA, needs no gradient of its own: four operations a weight,
    not six.
    """
    source = batch.arrays["input_ids"].shape[1]
    target, share = 0, 1.0
    if "positions" in batch.arrays:
        share = batch.arrays["positions"].size / source
    if head == "seq2seq":
        target = batch.arrays["labels"].shape[1]
    flops = build.training_flops_per_token(
        model, source, target_length=target, predicted_share=share
    )
    flops *= 1 - frozen_share(model) / 3
    return flops * (source + target) / max(batch.num_tokens, 1)


def _plan(
    recipe: TrainingRecipe, material: Material, model: PreTrainedModel, processes: Processes,
    record: RunRecord,
) -> tuple[Plan, Schedule]:  # fmt: skip
    rows = recipe.batch.rows_per_step(material.row_length)
    total = planning.total_steps(
        recipe.budget, rows_per_step=rows, num_rows=material.num_rows,
        num_tokens=material.num_tokens,
    )  # fmt: skip
    held_out = min(material.num_validation_rows, recipe.validation.max_rows or 2**62)
    every = planning.intervals(
        total, recipe.validation, recipe.checkpoints, recipe.logging,
        steps_per_validation=held_out / rows / 3,  # forwards only: a third of a training step
    )  # fmt: skip
    micro_batch_size = recipe.batch.micro_batch_size or record.frozen(
        "micro_batch_size",
        processes.from_main(_micro_batch_size(recipe, material, model, processes, rows)),
    )
    minutes = recipe.checkpoints.every_minutes
    warmup = record.frozen("warmup_steps", warmup_steps(recipe.schedule, total))
    plan = Plan(
        rows_per_step=rows,
        micro_batch_size=micro_batch_size,
        block_length=material.row_length,
        total_steps=total,
        decay_from=decay_start(recipe.schedule, total) if total else None,
        hours=recipe.budget.hours,
        validation_every=record.frozen("validation_every", every.validation),
        checkpoint_every=recipe.checkpoints.every_steps
        or record.frozen("checkpoint_every", every.checkpoint),
        checkpoint_seconds=minutes * 60 if minutes is not None else None,
        log_every=recipe.logging.every_steps or record.frozen("log_every", every.log),
        patience=recipe.validation.patience,
        metric=material.judge.metric if material.judge else "loss",
    )  # fmt: skip
    return plan, recipe.schedule.model_copy(update={"warmup_steps": warmup})


def _micro_batch_size(
    recipe: TrainingRecipe,
    material: Material,
    model: PreTrainedModel,
    processes: Processes,
    rows: int,
) -> int:
    config = model.config
    return planning.choose_micro_batch_size(
        recipe.batch,
        own_rows=len(processes.own_rows(rows)),
        block_length=material.row_length,
        bytes_per_token=planning.activation_bytes_per_token(
            layers=config.num_hidden_layers * (2 if config.is_encoder_decoder else 1),
            width=config.hidden_size,
            heads=config.num_attention_heads,
            block_length=material.row_length,
            vocabulary_size=config.vocab_size,
            checkpointing=recipe.compute.gradient_checkpointing,
        ),
        device=processes.device,
        memory=free_memory(processes.device, processes.count),
    )


def _learning_rate(
    recipe: TrainingRecipe, model: PreTrainedModel, default_rate: Callable[[int], float],
    record: RunRecord,
) -> float:  # fmt: skip
    given = recipe.optimizer.learning_rate
    if given is not None:
        return given
    parameters = build.num_parameters(model, with_embeddings=False)
    rate: float = record.frozen("learning_rate", default_rate(parameters))
    return rate


def _precision_name(recipe: TrainingRecipe, processes: Processes) -> str:
    chosen = choose_precision(recipe.compute.precision, processes.device)
    return "bfloat16" if chosen == torch.bfloat16 else "float32"


def _compiles(recipe: TrainingRecipe, device: torch.device, total_steps: int | None) -> bool:
    if recipe.compute.compile != "auto":
        return recipe.compute.compile == "on"
    return (
        device.type == "cuda"
        and (total_steps or _STEPS_THAT_PAY_COMPILE) >= _STEPS_THAT_PAY_COMPILE
    )
