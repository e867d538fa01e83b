"""`RUN/model`: a plain Hugging Face folder that any program loads, checked in a fresh process."""

from __future__ import annotations

import math
from pathlib import Path

from transformers import PreTrainedModel

from llmctl import console, files
from llmctl.errors import SettingsMismatch
from llmctl.evaluation.reload import check_reload
from llmctl.models.build import set_special_ids, strip_vocabulary_padding
from llmctl.models.families import maximum_row
from llmctl.models.heads import HEADS
from llmctl.models.members import members
from llmctl.models.save import save_model
from llmctl.pipelines.checkpointing import load_best
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.training_parts import Parts
from llmctl.recipe.schema import PretrainRecipe
from llmctl.tokenization.load import load_tokenizer
from llmctl.tokenization.save import save_tokenizer
from llmctl.training.state import TrainState
from llmctl.training.tensors import safetensors_errors

_PIPELINE_TAGS = {
    "causal": "text-generation", "prefix": "text-generation", "permuted": "text-generation",
    "masked": "fill-mask", "masked-pair": "fill-mask", "replaced": "feature-extraction",
    "seq2seq": "text2text-generation",
}  # fmt: skip


def export_model(
    recipe: PretrainRecipe, folder: Path, inputs: Inputs, parts: Parts, state: TrainState
) -> Path:
    """Write the chosen checkpoint, tokenizer and model card to `RUN/model`, on the main process.

    Of models that were trained together, the others go to folders beside it: `RUN/generator`.

    Raises:
        CheckpointError: the chosen checkpoint is damaged.
        SettingsMismatch: a fresh process that loads the folder computes other logits.
        StorageError: the disk is full.
    """

    def export() -> None:
        step = load_best(folder, parts, state, recipe.checkpoints.export)
        for name, member in members(parts.model).items():
            target, temporary = folder / name, folder / f"{files.TEMPORARY_PREFIX}{name}"
            with files.storage_errors(target), safetensors_errors(target):
                files.remove_folder(temporary)
                card = _card(recipe, inputs, member, step, state)
                _write(temporary, inputs, member, card)
                files.remove_folder(target)
            files.commit_folder(temporary, target)
            if recipe.checkpoints.reload_check:
                _check(target, member, _auto_class(inputs.head, name))

    parts.trainable.processes.on_main(export)
    return folder / "model"


def _write(folder: Path, inputs: Inputs, model: PreTrainedModel, card: str) -> None:
    strip_vocabulary_padding(model, inputs.vocabulary.size)
    set_special_ids(model, inputs.vocabulary)
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = True
    save_model(model, folder)
    positions = maximum_row(model.config.to_dict())
    tokenizer = load_tokenizer(str(inputs.tokenizer_folder))
    save_tokenizer(tokenizer, folder, max_length=positions)
    files.write_text(folder / "README.md", card)


def _auto_class(head: str, member: str) -> str:
    """The class of transformers that loads a member; a generator is a masked language model."""
    return HEADS[head if member == "model" else "masked"].auto_class


def _check(folder: Path, model: PreTrainedModel, auto_class: str) -> None:
    console.note(f"loading {folder} in a fresh process")
    report = check_reload(folder, model=model.eval(), model_class=auto_class)
    if not report.ok:
        raise SettingsMismatch(
            f"{folder} computes other logits in a fresh process: {report.message}",
            hint=f"llmctl doctor reload {folder}",
        )


def _card(
    recipe: PretrainRecipe, inputs: Inputs, model: PreTrainedModel, step: int, state: TrainState
) -> str:
    """A model card in the Hub's format: what it was trained on, how, and what was measured."""
    metas = [source.shards.meta for source in inputs.train.sources]
    if state.best_loss is None:
        measured = "No validation text was given."
    else:
        perplexity = f" (perplexity {math.exp(state.best_loss):.2f})"
        parts_of_loss = ", ".join(f"{name} {loss:.4f}" for name, loss in state.best_parts.items())
        measured = (
            f"Validation loss {state.best_loss:.4f} nats per target"
            + (perplexity if len(state.best_parts) < 2 else f" ({parts_of_loss})")
            + f", at step {state.best_step:,}."
        )
    documents, tokens, size = (
        sum(numbers)
        for numbers in zip(*((m.documents, m.tokens, m.bytes) for m in metas), strict=True)
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"""---
library_name: transformers
pipeline_tag: {_PIPELINE_TAGS[inputs.head]}
tags: [llmctl]
---
# {recipe.title or type(model).__name__}

{type(model).__name__} with {parameters:,} parameters, trained by
`llmctl pretrain` with the objective {inputs.objective.name} for {state.step:,} steps
({state.tokens:,} tokens of text); these are the weights of step {step:,}.

- Data: {documents:,} documents, {tokens:,} tokens, {size:,} bytes
  (SHA-256 {", ".join(meta.source_sha256[:16] for meta in metas)}…)
- Tokenizer: {inputs.vocabulary.size:,} tokens (SHA-256 {inputs.vocabulary.sha256[:16]}…)
- {measured}
"""
