"""The model that finetuning trains: pretrained, with the head and the labels of the task."""

from __future__ import annotations

import math

from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel

from llmctl.errors import UsageError
from llmctl.models import build
from llmctl.models.families import FAMILIES
from llmctl.models.finetuned import load_for_task
from llmctl.models.heads import TASK_HEADS
from llmctl.pipelines.finetune_inputs import FinetuneInputs
from llmctl.randomness import derive_seed
from llmctl.recipe.finetune import FinetuneRecipe

_FRESH_DROPOUT = 0.1
_BASE_RATE, _BASE_PARAMETERS = 5e-5, 85_000_000


def build_finetuned(recipe: FinetuneRecipe, inputs: FinetuneInputs) -> PreTrainedModel:
    """The model with the task's head, on the CPU, in float32.

    Raises:
        UsageError: a fresh one of the shape asked for cannot be built; and see `load_for_task`.
    """
    if recipe.model.path is None:
        return _fresh(recipe, inputs)
    return load_for_task(
        recipe.model.path, inputs.head, inputs.task.model_options(),
        seed=derive_seed(recipe.seed, "head"), dropout=recipe.model.dropout,
    )  # fmt: skip


def _fresh(recipe: FinetuneRecipe, inputs: FinetuneInputs) -> PreTrainedModel:
    dropout = _FRESH_DROPOUT if recipe.model.dropout is None else recipe.model.dropout
    settings = recipe.model.model_copy(update={"dropout": dropout})
    try:
        config = build.fresh_config(settings, inputs.vocabulary)
        for key, value in inputs.task.model_options().items():
            setattr(config, key, value)
        return build.fresh_model(config, derive_seed(recipe.seed, "weights"), inputs.head)
    except (ValueError, StrictDataclassError) as error:
        name = recipe.model.preset
        raise UsageError(f"model.config does not fit {name}: {error}") from error


def attention_of(recipe: FinetuneRecipe, head: str, model: PreTrainedModel) -> str:
    """The setting of attention: ours takes no masks of two dimensions, which ModernBERT and
    encoder-decoders with a task's head give it."""
    family = FAMILIES.get(model.config.model_type)
    ours = head not in TASK_HEADS or (
        (family is not None and family.architecture == "encoder")
        and model.config.model_type != "modernbert"
    )
    return recipe.model.attention if ours or recipe.model.attention != "auto" else "sdpa"


def finetuning_rate(num_parameters: int) -> float:
    """5e-5 for a model of BERT-base's size (Devlin et al. 2019, appendix A.3), more for smaller
    ones by the fourth root of their size, 2e-4 at most.

    Args:
        num_parameters: without embeddings.

    >>> round(finetuning_rate(85_000_000), 6), round(finetuning_rate(10_600_000), 6)
    (5e-05, 8.4e-05)
    """
    ratio = _BASE_PARAMETERS / max(num_parameters, 1)
    return min(2e-4, _BASE_RATE * math.sqrt(math.sqrt(ratio)))
