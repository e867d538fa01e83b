"""The second half of pretraining's set-up: model, optimizers and the plan, built in that order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel

from llmctl.data.blocks import Blocks
from llmctl.data.order import block_order
from llmctl.errors import DataError, UsageError
from llmctl.models import build
from llmctl.models.heads import CausalLogits
from llmctl.models.load import load_causal_model
from llmctl.objectives.base import Batch
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.run_folder import RunRecord
from llmctl.randomness import derive_seed
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training import planning
from llmctl.training.batches import Int64Array, MakeBatch
from llmctl.training.memory import free_memory
from llmctl.training.optimizers import build_optimizers, default_learning_rate
from llmctl.training.precision import (
    choose_precision,
    measure_peak_flops,
    use_repeatable_kernels,
)
from llmctl.training.processes import Processes
from llmctl.training.schedules import decay_start, warmup_steps
from llmctl.training.settings import Schedule
from llmctl.training.state import Plan
from llmctl.training.step import LossModule, Trainable
from llmctl.training.validation import Validation

_STEPS_THAT_PAY_COMPILE = 500


@dataclass(frozen=True)
class Parts:
    """Everything that trains, and the numbers it goes by."""

    model: PreTrainedModel
    trainable: Trainable
    plan: Plan
    schedule: Schedule
    flops_per_token: float
    peak_flops: float


def build_parts(
    recipe: PretrainRecipe, inputs: Inputs, processes: Processes, record: RunRecord
) -> Parts:
    """Model → loss module → optimizers → plan. What `auto` chose is frozen in run.json."""
    use_repeatable_kernels(recipe.compute.deterministic)
    precision = choose_precision(
        record.frozen("precision", _precision_name(recipe, processes)), processes.device
    )
    model = _build_model(recipe, inputs).to(processes.device)
    attention = record.frozen("attention", recipe.model.attention)
    record.content["auto"]["attention"] = build.choose_attention(
        model, attention, inputs.block_length
    )
    if recipe.compute.gradient_checkpointing:
        build.recompute_activations(model)
    plan, schedule = _plan(recipe, inputs, model, processes, record)
    module = LossModule(CausalLogits(model), recipe.objective.loss)
    compiles = _compiles(recipe, processes.device, plan.total_steps)
    if compiles if recipe.compute.compile != "auto" else record.frozen("compile", compiles):
        module.compile()
    optimizers = build_optimizers(recipe.optimizer, model, _learning_rate(recipe, model, record))
    trainable = Trainable(
        processes.accelerator.prepare(module), optimizers, processes, precision,
        recipe.compute.max_gradient_norm, recipe.seed,
    )  # fmt: skip
    trainable.module.train()
    peak = sum(processes.sum(measure_peak_flops(processes.device, precision)))
    record.update(
        model={
            "architecture": type(model).__name__,
            "parameters": build.num_parameters(model),
            "preset": recipe.model.preset,
            "path": recipe.model.path,
        },
        budget={"steps": plan.total_steps, "hours": plan.hours},
        peak_flops=peak,
    )
    flops = build.training_flops_per_token(model, inputs.block_length)
    return Parts(model, trainable, plan, schedule, flops, peak)


def epoch_rows(recipe: PretrainRecipe, inputs: Inputs) -> MakeBatch:
    """Global training rows → batch, in the seed's order."""

    def make_batch(rows: Int64Array) -> Batch:
        indices = block_order(recipe.seed, rows, len(inputs.train))
        return _batch(recipe, inputs.train, indices, rows)

    return make_batch


def validation_rows(recipe: PretrainRecipe, inputs: Inputs, plan: Plan) -> Validation | None:
    """The first rows of the validation text, in their own order."""
    blocks = inputs.validation
    if blocks is None:
        return None

    def make_batch(rows: Int64Array) -> Batch:
        return _batch(recipe, blocks, rows, rows)

    num_rows = min(len(blocks), recipe.validation.max_rows or len(blocks))
    return Validation(make_batch, num_rows, plan.micro_batch_size)


def _batch(recipe: PretrainRecipe, blocks: Blocks, indices: Int64Array, rows: Int64Array) -> Batch:
    read = blocks.read(indices)
    return recipe.objective.make_batch(read.tokens, read.lengths, rows, recipe.seed)


def _build_model(recipe: PretrainRecipe, inputs: Inputs) -> PreTrainedModel:
    settings, vocabulary = recipe.model, inputs.vocabulary
    if settings.path is None:
        try:
            return _fresh_model(recipe, inputs)
        except (ValueError, StrictDataclassError) as error:
            raise UsageError(f"model.config does not fit {settings.preset}: {error}") from error
    model = load_causal_model(settings.path, device="cpu", dtype="float32")
    build.forget_padding(model)
    build.set_dropout(model, settings.dropout)
    build.check_positions(model.config, inputs.block_length)
    rows = model.get_input_embeddings().weight.shape[0]
    if vocabulary.size > rows:
        raise DataError(
            f"the tokenizer has {vocabulary.size:,} tokens, but {settings.path} has embeddings for "
            f"{rows:,}",
            hint="leave tokenizer.path out to use the model's own tokenizer",
        )
    return model


def _fresh_model(recipe: PretrainRecipe, inputs: Inputs) -> PreTrainedModel:
    vocabulary = inputs.vocabulary
    config = build.fresh_config(
        recipe.model, vocabulary_size=vocabulary.size, bos_id=vocabulary.bos_id,
        eos_id=vocabulary.eos_id,
    )  # fmt: skip
    build.check_positions(config, inputs.block_length)
    if config.vocab_size < vocabulary.size:
        raise UsageError(
            f"model.config.vocab_size is {config.vocab_size:,}, but the tokenizer has "
            f"{vocabulary.size:,} tokens",
            hint="leave it out: it follows from the tokenizer",
        )
    return build.fresh_model(config, derive_seed(recipe.seed, "weights"))


def _plan(
    recipe: PretrainRecipe, inputs: Inputs, model: PreTrainedModel, processes: Processes,
    record: RunRecord,
) -> tuple[Plan, Schedule]:  # fmt: skip
    rows = recipe.batch.rows_per_step(inputs.block_length)
    num_targets = inputs.train.shards.num_tokens - 1
    total = planning.total_steps(
        recipe.budget, rows_per_step=rows, num_rows=len(inputs.train), num_targets=num_targets
    )
    held_out = min(len(inputs.validation or ()), recipe.validation.max_rows or 2**62)
    every = planning.intervals(
        total, recipe.validation, recipe.checkpoints, recipe.logging,
        steps_per_validation=held_out / rows / 3,  # forwards only: a third of a training step
    )  # fmt: skip
    micro_batch_size = recipe.batch.micro_batch_size or record.frozen(
        "micro_batch_size",
        processes.from_main(_micro_batch_size(recipe, inputs, model, processes, rows)),
    )
    minutes = recipe.checkpoints.every_minutes
    warmup = record.frozen("warmup_steps", warmup_steps(recipe.schedule, total))
    plan = Plan(
        rows_per_step=rows,
        micro_batch_size=micro_batch_size,
        block_length=inputs.block_length,
        total_steps=total,
        decay_from=decay_start(recipe.schedule, total) if total else None,
        hours=recipe.budget.hours,
        validation_every=record.frozen("validation_every", every.validation),
        checkpoint_every=recipe.checkpoints.every_steps
        or record.frozen("checkpoint_every", every.checkpoint),
        checkpoint_seconds=minutes * 60 if minutes is not None else None,
        log_every=recipe.logging.every_steps or record.frozen("log_every", every.log),
        patience=recipe.validation.patience,
    )  # fmt: skip
    return plan, recipe.schedule.model_copy(update={"warmup_steps": warmup})


def _micro_batch_size(
    recipe: PretrainRecipe, inputs: Inputs, model: PreTrainedModel, processes: Processes, rows: int
) -> int:
    config = model.config
    return planning.choose_micro_batch_size(
        recipe.batch,
        own_rows=len(processes.own_rows(rows)),
        block_length=inputs.block_length,
        bytes_per_token=planning.activation_bytes_per_token(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            heads=config.num_attention_heads,
            block_length=inputs.block_length,
            vocabulary_size=config.vocab_size,
            checkpointing=recipe.compute.gradient_checkpointing,
        ),
        device=processes.device,
        memory=free_memory(processes.device, processes.count),
    )


def _learning_rate(recipe: PretrainRecipe, model: PreTrainedModel, record: RunRecord) -> float:
    given = recipe.optimizer.learning_rate
    if given is not None:
        return given
    parameters = build.num_parameters(model, with_embeddings=False)
    rate: float = record.frozen("learning_rate", default_learning_rate(parameters))
    return rate


def _precision_name(recipe: PretrainRecipe, processes: Processes) -> str:
    chosen = choose_precision(recipe.compute.precision, processes.device)
    return "bfloat16" if chosen == torch.bfloat16 else "float32"


def _compiles(recipe: PretrainRecipe, device: torch.device, total_steps: int | None) -> bool:
    if recipe.compute.compile != "auto":
        return recipe.compute.compile == "on"
    return (
        device.type == "cuda"
        and (total_steps or _STEPS_THAT_PAY_COMPILE) >= _STEPS_THAT_PAY_COMPILE
    )
