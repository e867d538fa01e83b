"""What a run trains on and is measured by, as the one loop sees it: pretraining or finetuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from llmctl.training.batches import MakeBatch
from llmctl.training.parts import LossParts
from llmctl.training.settings import (
    BatchSettings,
    Budget,
    CheckpointSettings,
    ComputeSettings,
    LoggingSettings,
    Optimizer,
    Schedule,
    ValidationSettings,
)
from llmctl.training.step import LossFunction
from llmctl.training.validation import Judge


class TrainingRecipe(Protocol):
    """The sections that the recipes of all training commands share."""

    @property
    def seed(self) -> int: ...
    @property
    def optimizer(self) -> Optimizer: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def batch(self) -> BatchSettings: ...
    @property
    def budget(self) -> Budget: ...
    @property
    def validation(self) -> ValidationSettings: ...
    @property
    def checkpoints(self) -> CheckpointSettings: ...
    @property
    def compute(self) -> ComputeSettings: ...
    @property
    def logging(self) -> LoggingSettings: ...


@dataclass(frozen=True)
class Material:
    """Rows to train and validate on, and the loss over them.

    Attributes:
        head: a word of `llmctl.models.heads.HEADS`.
        loss, parts: see `llmctl.training.step`.
        make_batch: global training rows → batch.
        num_rows, num_tokens: of one epoch.
        row_length: tokens of the longest row.
        make_validation_batch, num_validation_rows: held-out rows; None and 0 where there are none.
        judge: scores the answers to held-out rows.
        epochs_of_sources: global row → how often each source of a mixture has been read by then.
    """

    head: str
    loss: LossFunction
    parts: LossParts
    make_batch: MakeBatch
    num_rows: int
    num_tokens: int
    row_length: int
    make_validation_batch: MakeBatch | None = None
    num_validation_rows: int = 0
    judge: Judge | None = None
    epochs_of_sources: Callable[[int], dict[str, float]] | None = None
