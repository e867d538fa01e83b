"""The model that finetuning trains: pretrained, with the head and the labels of the task."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel

from llmctl.errors import SettingsMismatch, UsageError
from llmctl.models import build
from llmctl.models.adapted import base_of
from llmctl.models.families import FAMILIES
from llmctl.models.finetuned import load_for_task
from llmctl.models.freezing import freeze
from llmctl.models.heads import TASK_HEADS
from llmctl.models.layers import places
from llmctl.models.lora import add_lora
from llmctl.pipelines.finetune_inputs import FinetuneInputs
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.stored_weights import AdapterWeights, StoredWeights, WholeWeights
from llmctl.randomness import derive_seed
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.training.optimizers import default_learning_rate

_FRESH_DROPOUT = 0.1
_BASE_RATE, _BASE_PARAMETERS = 5e-5, 85_000_000
_LORA_FACTOR = 10


def build_finetuned(recipe: FinetuneRecipe, inputs: FinetuneInputs) -> PreTrainedModel:
    """The model with the task's head, on the CPU, in float32.

    Raises:
        UsageError: a fresh one of the shape asked for cannot be built; and see `load_for_task`.
    """
    if recipe.model.path is None:
        return _fresh(recipe, inputs)
    model = load_for_task(
        recipe.model.path, inputs.head, inputs.task.model_options(),
        seed=derive_seed(recipe.seed, "head"), dropout=recipe.model.dropout,
    )  # fmt: skip
    if recipe.model.lora is not None:
        add_lora(model, recipe.model.lora, inputs.head, seed=derive_seed(recipe.seed, "lora"))
    elif recipe.model.freeze:
        freeze(model, recipe.model.freeze)
    return model


def weights_to_store(
    recipe: FinetuneRecipe, model: PreTrainedModel, record: RunRecord
) -> StoredWeights:
    """What the run's checkpoints hold: of LoRA, only what it trains.

    Raises:
        SettingsMismatch: the weights of the base have changed since the run began.
    """
    if recipe.model.lora is None:
        return WholeWeights(model)
    assert recipe.model.path is not None
    base = base_of(recipe.model.path)
    if record.frozen("base", {"path": base.path, "sha256": base.sha256})["sha256"] != base.sha256:
        raise SettingsMismatch(
            f"{base.path} has other weights than when {record.folder} began to adapt them",
            hint="put the old ones back, or use another -o",
        )
    return AdapterWeights(model, base)


def describe_trained(model: PreTrainedModel) -> dict[str, Any]:
    """How much of a model learns: parameters of the body, and its head's.

    `share` is of the body's own parameters, matrices of LoRA not counted among them; the head is
    apart.
    """
    counts = {"body": 0, "head": 0, "own": 0}
    where = places(model)
    for name, parameter in model.named_parameters():
        part = "head" if where[name].part == "head" else "body"
        counts[part] += parameter.numel() * parameter.requires_grad
        counts["own"] += parameter.numel() * (part == "body" and ".lora_" not in name)
    share = counts["body"] / max(counts["own"], 1)
    return {"trained": counts["body"], "trained_head": counts["head"], "trained_share": share}


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
    """The setting of attention: ours takes no masks of two dimensions, which ModernBERT,
    encoder-decoders with a task's head, and every model that chooses between answers give it."""
    family = FAMILIES.get(model.config.model_type)
    ours = head not in TASK_HEADS or (
        (family is not None and family.architecture == "encoder")
        and model.config.model_type != "modernbert"
        and head != "multiple-choice"
    )
    return recipe.model.attention if ours or recipe.model.attention != "auto" else "sdpa"


def usual_rate(recipe: FinetuneRecipe) -> Callable[[int], float]:
    """A number of parameters → the learning rate where the recipe names none.

    A fresh model learns as in pretraining.

    LoRA takes ten times as much: what Schulman et al. 2025 ("LoRA Without Regret") find best at
    every model size and rank, and what Hu et al. 2022 use (appendix D: 4e-4 to 5e-4 for RoBERTa
    base, where whole finetuning takes 1e-5 to 3e-5).
    """
    if recipe.model.path is None:
        return default_learning_rate
    if recipe.model.lora is None:
        return finetuning_rate
    return lambda num_parameters: _LORA_FACTOR * finetuning_rate(num_parameters)


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
