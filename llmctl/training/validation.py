"""Held-out rows: the loss, summed over all processes and divided once, and scores of answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from llmctl.randomness import derive_seed
from llmctl.training.batches import MakeBatch, MicroBatch
from llmctl.training.precision import autocast
from llmctl.training.step import Trainable, to_device

Outputs = dict[str, NDArray[Any]]
"""What a model says of one micro-batch, by name; the first axis of each is the rows'."""


class Judge(Protocol):
    """Scores what a model says of held-out rows, where the loss is not all that counts.

    Attributes:
        metric: the score that checkpoints are chosen by.
        higher_is_better: whether it is.
    """

    metric: str
    higher_is_better: bool

    def answer(
        self, model: Any, batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The sums of the loss [K], and the outputs that `score` needs."""

    def score(self, outputs: Sequence[Outputs]) -> dict[str, float]:
        """Scores by name, of the outputs of all micro-batches in the order of their rows; those
        that do not exist are left out."""


@dataclass(frozen=True)
class Validation:
    """Held-out rows 0 to `num_rows` - 1, always all of them, in this order."""

    make_batch: MakeBatch
    num_rows: int
    micro_batch_size: int
    judge: Judge | None = None


@dataclass(frozen=True)
class Validated:
    """The loss, each of its parts divided by its own targets, and scores.

    Attributes:
        rank: what checkpoints are chosen by, the lower the better: the loss, or a score (negated
            where higher is better).
    """

    loss: float
    parts: dict[str, float]
    rank: float
    scores: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def validate(trainable: Trainable, validation: Validation) -> Validated:
    """The loss on held-out rows, as `optimizer_step` would divide it, and the judge's scores.

    Nothing of the training state is touched; what an objective samples is keyed by the row.
    """
    processes, module, judge = trainable.processes, trainable.module, validation.judge
    size = validation.micro_batch_size
    starts = range(processes.rank * size, validation.num_rows, processes.count * size)
    sums = np.zeros((2, len(trainable.parts.names)))
    said: list[tuple[int, Outputs]] = []
    module.eval()
    # DDP's forward would wait for processes that have one batch less.
    inner = processes.accelerator.unwrap_model(module)
    for start in starts:
        rows = np.arange(start, min(start + size, validation.num_rows), dtype=np.int64)
        micro = MicroBatch(start, validation.make_batch(rows))
        torch.manual_seed(derive_seed(trainable.seed, "validation", start))
        tensors = to_device(micro, processes.device)
        with autocast(processes.device, trainable.precision):
            if judge is None:
                losses = inner(**tensors)
            else:
                losses, outputs = judge.answer(inner.model, tensors)
                said.append((start, {k: v.float().cpu().numpy() for k, v in outputs.items()}))
        sums[0] += losses.double().cpu().numpy()
        sums[1] += micro.batch.num_targets
    module.train()
    totals = processes.sum(*sums.ravel().tolist())
    losses_, targets = totals[: sums.shape[1]], totals[sums.shape[1] :]
    loss = trainable.parts.total(losses_, targets)
    parts = trainable.parts.means(losses_, targets)
    if judge is None:
        return Validated(loss, parts, rank=loss)
    scores = _scores(trainable, judge, said)
    rank = loss if judge.metric == "loss" else scores.get(judge.metric, math.nan)
    return Validated(loss, parts, -rank if judge.higher_is_better else rank, scores)


def _scores(
    trainable: Trainable, judge: Judge, said: list[tuple[int, Outputs]]
) -> dict[str, float]:
    """Scored on the main process, where the outputs of all of them come together in order."""
    processes = trainable.processes
    together = sorted(processes.gather(said), key=lambda pair: pair[0])
    scores = processes.on_main(lambda: judge.score([outputs for _, outputs in together]))
    found: dict[str, float] = processes.from_main(scores)
    return found
