"""The loss on held-out rows: summed over all processes, divided once by its targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from llmctl.training.batches import MakeBatch, MicroBatch
from llmctl.training.precision import autocast
from llmctl.training.step import Trainable, to_device


@dataclass(frozen=True)
class Validation:
    """Held-out rows 0 to `num_rows` - 1, always all of them, in this order."""

    make_batch: MakeBatch
    num_rows: int
    micro_batch_size: int


@torch.no_grad()
def validation_loss(trainable: Trainable, validation: Validation) -> float:
    """Mean loss per target token, in nats. Nothing of the training state is touched."""
    processes, module = trainable.processes, trainable.module
    size = validation.micro_batch_size
    starts = range(processes.rank * size, validation.num_rows, processes.count * size)
    loss_sum, num_targets = 0.0, 0
    module.eval()
    for start in starts:
        rows = np.arange(start, min(start + size, validation.num_rows), dtype=np.int64)
        micro = MicroBatch(start, validation.make_batch(rows))
        with autocast(processes.device, trainable.precision):
            # DDP's forward would wait for processes that have one batch less.
            inner = processes.accelerator.unwrap_model(module)
            loss_sum += float(inner(**to_device(micro, processes.device)))
        num_targets += micro.batch.num_targets
    module.train()
    total_loss, total_targets = processes.sum(loss_sum, num_targets)
    return total_loss / max(total_targets, 1.0)
