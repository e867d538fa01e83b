"""What finetuning gives the loop: batches of rows of like length, and a judge of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from llmctl.data.length_order import LengthOrder
from llmctl.metrics import number_called
from llmctl.pipelines.finetune_inputs import FinetuneInputs, Part
from llmctl.pipelines.training_material import Material
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.tasks.base import Arrays, Feature, Task
from llmctl.tasks.batches import Batch, make_batch
from llmctl.training.batches import Int64Array, MakeBatch
from llmctl.training.parts import LossParts
from llmctl.training.validation import Outputs

LOSS = "loss"


class TaskJudge:
    """Scores a model's outputs on held-out rows by the task's own metrics."""

    def __init__(self, task: Task, part: Part, metric: str) -> None:
        self.task, self.part, self.metric = task, part, metric
        self.higher_is_better = metric != LOSS and bool(number_called(metric).higher_is_better)

    def answer(
        self, model: Any, batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        outputs = self.task.outputs(model, batch)
        return self.task.loss(outputs, batch), outputs

    def score(self, outputs: Sequence[Outputs]) -> dict[str, float]:
        found = self.task.measure(self.part.examples, self.predictions(outputs))
        values = [pair for one in found for pair in one.values().items()]
        return {name: value for name, value in values if value is not None}

    def predictions(self, outputs: Sequence[Outputs]) -> list[dict[str, Any]]:
        """The answer to every example of the part, in their order."""
        rows = [row for batch in outputs for row in rows_of(batch)]
        return self.task.predictions(self.part.examples, self.part.features, rows)


def rows_of(outputs: Outputs) -> list[Arrays]:
    """Outputs of a batch → outputs of each of its features."""
    count = len(next(iter(outputs.values())))
    return [{name: value[row] for name, value in outputs.items()} for row in range(count)]


def finetuning_material(recipe: FinetuneRecipe, inputs: FinetuneInputs) -> Material:
    """What finetuning gives the loop."""
    task, train, held_out = inputs.task, inputs.train, inputs.validation
    lengths = np.array([len(feature) for feature in train.features], dtype=np.int64)
    order = LengthOrder(lengths, recipe.batch.rows_per_step(0), recipe.seed)
    batch_of = partial(_batch, task, task.padding(inputs.tokenizer))
    judge = None
    if held_out is not None and not task.generates:
        judge = TaskJudge(task, held_out, recipe.validation.metric or task.main_metric)
    return Material(
        head=inputs.head,
        loss=lambda model, batch: task.loss(task.outputs(model, batch), batch),
        parts=LossParts(task.parts, (1.0,) * len(task.parts)),
        make_batch=lambda numbers: batch_of(train.features, order(numbers)),
        num_rows=len(train.features),
        num_tokens=train.num_tokens,
        row_length=int(lengths.max()),
        make_validation_batch=in_order(inputs, held_out) if held_out is not None else None,
        num_validation_rows=0 if held_out is None else len(held_out.features),
        judge=judge,
    )


def in_order(inputs: FinetuneInputs, part: Part) -> MakeBatch:
    """Feature numbers of a part → their batch."""
    batch_of = partial(_batch, inputs.task, inputs.task.padding(inputs.tokenizer))
    return lambda numbers: batch_of(part.features, numbers)


def _batch(
    task: Task, padding: dict[str, int], features: Sequence[Feature], numbers: Int64Array
) -> Batch:
    return make_batch([features[number] for number in numbers.tolist()], padding, task.fixed)
