"""Global row numbers → batches of an objective: for training, and for validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.evaluation.yardsticks import unigram_loss
from llmctl.objectives.base import Batch, Objective
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.training_material import Material
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training.batches import Int64Array, MakeBatch
from llmctl.training.parts import LossParts
from llmctl.training.validation import Validation

_ROWS_AT_ONCE = 64
_COUNTED_TARGETS = 4_000_000


def training_batches(recipe: PretrainRecipe, inputs: Inputs) -> MakeBatch:
    """Global training rows → batch, in the seed's order."""

    def make_batch(numbers: Int64Array) -> Batch:
        groups = inputs.train.training_rows(numbers)
        return inputs.objective.make_mixed_batch(groups, inputs.vocabulary, recipe.seed)

    return make_batch


def validation_rows(recipe: PretrainRecipe, inputs: Inputs) -> MakeBatch | None:
    """Rows of the validation text, in their own order, corrupted always alike; None without any."""
    corpus = inputs.validation
    if corpus is None:
        return None

    def make_batch(numbers: Int64Array) -> Batch:
        groups = corpus.held_out_rows(numbers)
        return inputs.objective.make_mixed_batch(groups, inputs.vocabulary, recipe.seed)

    return make_batch


def pretraining_material(recipe: PretrainRecipe, inputs: Inputs) -> Material:
    """What pretraining gives the loop."""
    return Material(
        head=inputs.head,
        loss=inputs.objective.loss,
        parts=loss_parts(inputs.objective),
        make_batch=training_batches(recipe, inputs),
        num_rows=len(inputs.train),
        num_tokens=inputs.train.num_tokens,
        row_length=inputs.block_length,
        make_validation_batch=validation_rows(recipe, inputs),
        num_validation_rows=len(inputs.validation or ()),
        epochs_of_sources=inputs.train.epochs_at,
    )


def loss_parts(objective: Objective) -> LossParts:
    parts = objective.parts()
    return LossParts(
        tuple(part.name for part in parts),
        tuple(part.weight for part in parts),
        objective.divided_together,
    )


def context_free_losses(
    recipe: PretrainRecipe, inputs: Inputs, validation: Validation
) -> dict[str, float]:
    """Nats per target of the best guess that looks at no context, for each part of the loss.

    Frequencies of the targets of training batches (up to four million of them), one added to each
    count so that none is impossible; held against the targets of the validation rows. Parts whose
    targets are not in the batch are left out.
    """
    make_batch, targets = training_batches(recipe, inputs), inputs.objective.targets
    counts = _count(make_batch, targets, len(inputs.train))
    held_out = _count(validation.make_batch, targets, validation.num_rows)
    none = np.zeros(0, dtype=np.int64)
    return {
        name: unigram_loss(_sum(counts.get(name, none), np.zeros_like(found)), found)
        if found.any()
        else 0.0
        for name, found in held_out.items()
    }


def _count(
    make_batch: MakeBatch, targets: Callable[[Any], dict[str, NDArray[Any]]], num_rows: int
) -> dict[str, Int64Array]:
    """How often each value occurs as a target of each part in the first rows, [values]."""
    counts: dict[str, Int64Array] = {}
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, num_rows), dtype=np.int64)
        for name, labels in targets(make_batch(rows)).items():
            more = np.bincount(labels[labels >= 0])
            counts[name] = _sum(counts[name], more) if name in counts else more
        if sum(int(found.sum()) for found in counts.values()) >= _COUNTED_TARGETS:
            break
    return counts


def _sum(left: Int64Array, right: Int64Array) -> Int64Array:
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total
