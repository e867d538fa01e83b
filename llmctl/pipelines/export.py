"""`RUN/model`: a plain Hugging Face folder that any program loads, checked in a fresh process."""

from __future__ import annotations

import math
from pathlib import Path

from llmctl import console, files
from llmctl.errors import SettingsMismatch
from llmctl.evaluation.reload import check_reload
from llmctl.models.build import set_special_tokens, strip_vocabulary_padding
from llmctl.models.save import save_model
from llmctl.pipelines.checkpointing import load_best
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.pretrain_parts import Parts
from llmctl.recipe.schema import PretrainRecipe
from llmctl.tokenization.load import load_tokenizer
from llmctl.tokenization.save import save_tokenizer
from llmctl.training.state import TrainState
from llmctl.training.tensors import safetensors_errors


def export_model(
    recipe: PretrainRecipe, folder: Path, inputs: Inputs, parts: Parts, state: TrainState
) -> Path:
    """Write the chosen checkpoint, tokenizer and model card to `RUN/model`, on the main process.

    Raises:
        CheckpointError: the chosen checkpoint is damaged.
        SettingsMismatch: a fresh process that loads the folder computes other logits.
        StorageError: the disk is full.
    """
    target = folder / "model"

    def export() -> None:
        step = load_best(folder, parts, state, recipe.checkpoints.export)
        temporary = folder / f"{files.TEMPORARY_PREFIX}model"
        with files.storage_errors(target), safetensors_errors(target):
            files.remove_folder(temporary)
            _write(temporary, recipe, inputs, parts, step, state)
            files.remove_folder(target)
        files.commit_folder(temporary, target)
        if recipe.checkpoints.reload_check:
            _check(target, parts)

    parts.trainable.processes.on_main(export)
    return target


def _write(
    folder: Path, recipe: PretrainRecipe, inputs: Inputs, parts: Parts, step: int, state: TrainState
) -> None:
    model = parts.model
    vocabulary = inputs.vocabulary
    strip_vocabulary_padding(model, vocabulary.size)
    set_special_tokens(
        model, bos_id=vocabulary.bos_id, eos_id=vocabulary.eos_id, pad_id=vocabulary.pad_id
    )
    model.config.use_cache = True
    save_model(model, folder)
    positions = getattr(model.config, "max_position_embeddings", None)
    tokenizer = load_tokenizer(str(inputs.tokenizer_folder))
    save_tokenizer(tokenizer, folder, max_length=positions)
    files.write_text(folder / "README.md", _card(recipe, inputs, parts, step, state))


def _check(folder: Path, parts: Parts) -> None:
    console.note("loading the saved model in a fresh process")
    report = check_reload(folder, model=parts.model.eval())
    if not report.ok:
        raise SettingsMismatch(
            f"{folder} computes other logits in a fresh process: {report.message}",
            hint=f"llmctl doctor reload {folder}",
        )


def _card(
    recipe: PretrainRecipe, inputs: Inputs, parts: Parts, step: int, state: TrainState
) -> str:
    """A model card in the Hub's format: what it was trained on, how, and what was measured."""
    meta = inputs.train.shards.meta
    if state.best_loss is None:
        measured = "No validation text was given."
    else:
        measured = (
            f"Validation loss {state.best_loss:.4f} nats per token (perplexity "
            f"{math.exp(state.best_loss):.2f}) at step {state.best_step:,}."
        )
    parameters = sum(parameter.numel() for parameter in parts.model.parameters())
    return f"""---
library_name: transformers
pipeline_tag: text-generation
tags: [llmctl]
---
# {recipe.title or type(parts.model).__name__}

{type(parts.model).__name__} with {parameters:,} parameters, trained by
`llmctl pretrain` for {state.step:,} steps ({state.tokens:,} target tokens); these are the weights
of step {step:,}.

- Data: {meta.documents:,} documents, {meta.tokens:,} tokens, {meta.bytes:,} bytes
  (SHA-256 {meta.source_sha256[:16]}…)
- Tokenizer: {inputs.vocabulary.size:,} tokens (SHA-256 {inputs.vocabulary.sha256[:16]}…)
- {measured}
"""
