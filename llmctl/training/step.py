"""One optimizer step: accumulate over micro-batches, divide once, clip, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from llmctl.randomness import derive_seed
from llmctl.training.batches import MicroBatch
from llmctl.training.optimizers import set_rate_factor
from llmctl.training.precision import autocast
from llmctl.training.processes import Processes

LossFunction = Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]
"""(model, batch on the device) → the summed loss over its targets."""


class LossModule(torch.nn.Module):
    """A model and its loss in one forward, so that no logits leave the module.

    What wraps it (DDP, compile) sees tensors in and one scalar out.
    """

    def __init__(self, model: torch.nn.Module, loss: LossFunction) -> None:
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, **batch: torch.Tensor) -> torch.Tensor:
        return self._loss(self.model, batch)


@dataclass(frozen=True)
class Trainable:
    """What a step updates, and how."""

    module: torch.nn.Module
    """The LossModule as accelerate prepared it."""
    optimizers: Sequence[torch.optim.Optimizer]
    processes: Processes
    precision: torch.dtype
    max_gradient_norm: float | None
    seed: int


@dataclass(frozen=True)
class StepResult:
    """What one step did, left on the device: reading it waits for the step to end.

    `loss_sum` is this process' part; `num_targets` is everyone's.
    """

    loss_sum: torch.Tensor
    num_targets: torch.Tensor
    gradient_norm: torch.Tensor
    learning_rate: float


def optimizer_step(
    trainable: Trainable, micro_batches: Sequence[MicroBatch], step: int, rate_factor: float
) -> StepResult:
    """Update the weights once.

    The gradient is that of the summed loss over the target tokens of all micro-batches and
    processes, divided once by their number: micro-batch means would weigh short rows too much.
    DDP averages over processes, so each backward pass is scaled up by their number.
    """
    processes = trainable.processes
    own_targets = sum(micro.batch.num_targets for micro in micro_batches)
    num_targets = processes.sum_on_device(own_targets)
    scale = processes.count / num_targets.clamp(min=1)
    loss_sum = torch.zeros((), device=processes.device)
    for micro in micro_batches:
        torch.manual_seed(derive_seed(trainable.seed, "dropout", step, micro.number))
        batch = to_device(micro, processes.device)
        last = micro is micro_batches[-1]
        with nullcontext() if last else processes.accelerator.no_sync(trainable.module):
            with autocast(processes.device, trainable.precision):
                loss = trainable.module(**batch)
            (loss * scale).backward()
        loss_sum += loss.detach()
    limit = float("inf") if trainable.max_gradient_norm is None else trainable.max_gradient_norm
    norm = torch.nn.utils.clip_grad_norm_(trainable.module.parameters(), limit)
    rate = set_rate_factor(trainable.optimizers, rate_factor)
    for optimizer in trainable.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return StepResult(loss_sum, num_targets, norm, rate)


def to_device(micro: MicroBatch, device: torch.device) -> dict[str, torch.Tensor]:
    tensors = {name: torch.from_numpy(array) for name, array in micro.batch.arrays.items()}
    if device.type == "cpu":
        return tensors
    return {name: t.pin_memory().to(device, non_blocking=True) for name, t in tensors.items()}
