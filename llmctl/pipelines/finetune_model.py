"""The model that finetuning trains: pretrained, with the head and the labels of the task."""

from __future__ import annotations

import math

from transformers import PreTrainedModel

from llmctl.models.families import FAMILIES
from llmctl.models.finetuned import load_for_task
from llmctl.models.heads import TASK_HEADS
from llmctl.pipelines.finetune_inputs import FinetuneInputs
from llmctl.randomness import derive_seed
from llmctl.recipe.finetune import FinetuneRecipe

_BASE_RATE, _BASE_PARAMETERS = 5e-5, 85_000_000


def build_finetuned(recipe: FinetuneRecipe, inputs: FinetuneInputs) -> PreTrainedModel:
    """The pretrained model with the task's head, on the CPU, in float32.

    Raises:
        See `load_for_task`.
    """
    return load_for_task(
        recipe.model.path, inputs.head, inputs.task.model_options(),
        seed=derive_seed(recipe.seed, "head"), dropout=recipe.model.dropout,
    )  # fmt: skip


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
