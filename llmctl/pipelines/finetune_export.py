"""`RUN/model` of a finetuning: a plain Hugging Face folder, with `task.json` for our commands."""

from __future__ import annotations

from pathlib import Path

from llmctl import console, files
from llmctl.errors import SettingsMismatch
from llmctl.evaluation.reload import check_reload
from llmctl.models.families import maximum_row
from llmctl.models.heads import HEADS
from llmctl.models.load import model_folder
from llmctl.models.save import save_model
from llmctl.pipelines.checkpointing import load_best
from llmctl.pipelines.finetune_inputs import FinetuneInputs
from llmctl.pipelines.finetuned_task import TASK_FILE
from llmctl.pipelines.stored_weights import AdapterWeights
from llmctl.pipelines.training_parts import Parts
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.tokenization.save import save_tokenizer
from llmctl.training.state import TrainState
from llmctl.training.tensors import safetensors_errors

_PIPELINE_TAGS = {
    "sequence-classification": "text-classification",
    "token-classification": "token-classification",
    "question-answering": "question-answering",
    "multiple-choice": "multiple-choice",
    "causal": "text-generation",
    "seq2seq": "text2text-generation",
}


def export_finetuned(
    recipe: FinetuneRecipe, folder: Path, inputs: FinetuneInputs, parts: Parts, state: TrainState
) -> Path:
    """Write the chosen checkpoint, tokenizer, task and model card to `RUN/model`.

    Raises:
        CheckpointError: the chosen checkpoint is damaged.
        SettingsMismatch: a fresh process that loads the folder computes other logits.
        StorageError: the disk is full.
    """
    target, temporary = folder / "model", folder / f"{files.TEMPORARY_PREFIX}model"
    step = load_best(folder, parts, state, recipe.checkpoints.export)

    def export() -> None:
        model = parts.model
        with files.storage_errors(target), safetensors_errors(target):
            files.remove_folder(temporary)
            if hasattr(model.config, "use_cache"):
                model.config.use_cache = True
            if isinstance(parts.weights, AdapterWeights):
                parts.weights.save(temporary)
            else:
                save_model(model, temporary)
            _save_words(temporary, inputs, maximum_row(model.config.to_dict()))
            files.write_json(temporary / TASK_FILE, inputs.task.model_dump(mode="json"))
            files.write_text(temporary / "README.md", _card(recipe, inputs, parts, step, state))
            files.remove_folder(target)
        files.commit_folder(temporary, target)
        if recipe.checkpoints.reload_check:
            _check(target, parts, inputs)

    parts.trainable.processes.on_main(export)
    return target


def _save_words(folder: Path, inputs: FinetuneInputs, positions: int | None) -> None:
    """The tokenizer, with the chat template that was learnt, and where written answers end."""
    tokenizer, task = inputs.tokenizer, inputs.task
    template = task.template_to_save(tokenizer)
    if template is not None:
        tokenizer.chat_template = template
    save_tokenizer(tokenizer, folder, max_length=positions)
    generation = folder / "generation_config.json"
    if task.generates and generation.is_file():
        ends = task.end_ids(tokenizer)
        settings = files.read_json(generation)
        files.write_json(generation, settings | {"eos_token_id": ends if ends[1:] else ends[0]})


def _check(folder: Path, parts: Parts, inputs: FinetuneInputs) -> None:
    console.note(f"loading {folder} in a fresh process")
    weights = parts.weights
    base = model_folder(weights.base.path) if isinstance(weights, AdapterWeights) else None
    report = check_reload(
        folder, model=parts.model.eval(), model_class=HEADS[inputs.head].auto_class, base=base
    )
    if not report.ok:
        raise SettingsMismatch(
            f"{folder} computes other logits in a fresh process: {report.message}",
            hint=f"llmctl doctor reload {folder}",
        )


def _card(
    recipe: FinetuneRecipe, inputs: FinetuneInputs, parts: Parts, step: int, state: TrainState
) -> str:
    """A model card in the Hub's format: what it was trained on, how, and what was measured."""
    measured = "No rows were held out."
    if state.best_loss is not None:
        scores = "".join(f", {name} {value:.4f}" for name, value in state.best_scores.items())
        measured = f"On held-out rows: loss {state.best_loss:.4f}{scores}."
    lora, name = recipe.model.lora, type(parts.model).__name__
    adapts = "" if lora is None else (
        "\n- An adapter (LoRA, rank "
        f"{lora.rank}) and the head; `llmctl predict` finds the base by its path and hash, and\n"
        "  `llmctl export --merge` makes one plain model of both"
    )  # fmt: skip
    return f"""---
library_name: {"transformers" if lora is None else "peft"}
pipeline_tag: {_PIPELINE_TAGS[inputs.head]}
tags: [llmctl]
---
# {recipe.title or name}

{name}, finetuned by `llmctl finetune` from
{recipe.model.path or recipe.model.preset} for the task {inputs.task.name},
{state.step:,} steps; these are the weights of step {step:,}.

- Data: {len(inputs.train.examples):,} training rows, {inputs.train.num_tokens:,} tokens
- {measured}{adapts}
"""
