"""The tokenizer of a finetuning: the checkpoint's own, or one trained on the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmctl import console, files
from llmctl.models.find import find_tokenizer
from llmctl.pipelines.finetune_source import ModelSource
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.recipe.fit import usual_tokenizer
from llmctl.tasks.base import Example, Task
from llmctl.tokenization.load import load_tokenizer
from llmctl.tokenization.save import save_tokenizer
from llmctl.tokenization.train import train_tokenizer


def make_tokenizer(
    recipe: FinetuneRecipe, task: Task, examples: Sequence[Example], source: ModelSource,
    folder: Path,
) -> None:  # fmt: skip
    """Copy the tokenizer that the recipe or the checkpoint names, or train one on the texts of the
    training examples; what a run has made already stays."""
    if (folder / "tokenizer_config.json").exists():
        return
    name = recipe.tokenizer.path
    if name is None and recipe.model.path is not None:
        name = str(find_tokenizer(recipe.model.path))
    if name is not None:
        temporary = folder.with_name(f"{files.TEMPORARY_PREFIX}tokenizer")
        files.remove_folder(temporary)
        save_tokenizer(load_tokenizer(name), temporary)
        files.commit_folder(temporary, folder)
        return
    settings = usual_tokenizer(recipe.tokenizer, source.model_type)
    console.note(f"training a tokenizer: {settings.kind}, {settings.vocabulary_size:,} tokens")
    texts = (text for example in examples for _, text in task.show(example))
    train_tokenizer(texts, settings, folder)
