"""What is finetuned, before anything heavy is loaded: its type, its head, and its traits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmctl.models.families import FAMILIES, maximum_row
from llmctl.models.finetuned import head_for
from llmctl.models.load import model_folder, read_architecture
from llmctl.models.presets import PRESETS, row_length
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.tasks.model_traits import ModelTraits


@dataclass(frozen=True)
class ModelSource:
    """The model of a recipe.

    Attributes:
        head: a word of `llmctl.models.heads.HEADS`: the one that the task gets.
    """

    model_type: str
    head: str
    traits: ModelTraits


def find_source(recipe: FinetuneRecipe) -> ModelSource:
    """
    Raises:
        UsageError: the model cannot be given a head for the task.
        InputMissing, NetworkError, SafetyError: the model is not there or not safe.
    """
    if recipe.model.path is None:
        assert recipe.model.preset is not None
        preset = PRESETS[recipe.model.preset]
        longest = row_length(recipe.model.preset, recipe.model.config)
        head = head_for(recipe.task.heads, preset.model_type, f"preset {recipe.model.preset}")
        return ModelSource(preset.model_type, head, _traits(preset.model_type, longest, None))
    folder = model_folder(recipe.model.path)
    config = read_architecture(folder)
    head = head_for(recipe.task.heads, config.model_type, str(folder))
    traits = _traits(config.model_type, maximum_row(config.to_dict()), config)
    return ModelSource(config.model_type, head, traits)


def _traits(model_type: str, longest_row: int | None, config: Any) -> ModelTraits:
    family = FAMILIES.get(model_type)
    return ModelTraits(
        longest_row=longest_row,
        isolates=family is not None and family.isolates,
        start_id=getattr(config, "decoder_start_token_id", None),
        start_token=family.decoder_start if family is not None and config is None else None,
    )
