"""The recipe of `llmctl finetune`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from llmctl.data.labelled_settings import LabelledData
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings
from llmctl.models.finetune_settings import FinetunedModel
from llmctl.section import Section
from llmctl.tasks import AnyTask
from llmctl.tokenization.settings import TokenizerSettings
from llmctl.training.settings import (
    AdamW,
    BatchSettings,
    Budget,
    CheckpointSettings,
    ComputeSettings,
    Linear,
    LoggingSettings,
    Optimizer,
    Schedule,
    ValidationSettings,
    check_schedule,
)


class FinetuneBatch(BatchSettings):
    """How many rows one optimizer step sees, over all processes and micro-batches."""

    rows: int | None = Field(16, gt=0, description="Rows per optimizer step")
    tokens: None = Field(None, description="Not for finetuning, whose rows differ in length")


class FinetuneValidation(ValidationSettings):
    """When to measure held-out rows, by what, and when to stop because of it."""

    metric: str | None = Field(
        None, description="Number that chooses the best checkpoint, or loss; none: the task's own"
    )
    max_rows: int | None = Field(
        None, gt=0, description="Rows measured at most, the first ones; none: all"
    )
    answered_rows: int = Field(
        200,
        ge=0,
        description="Rows of validation and test for which a model that writes its answers does so "
        "at the end, the first ones",
    )


class FinetuneRecipe(Section):
    """Everything `llmctl finetune` needs to know."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this format")
    command: Literal["finetune"] = Field("finetune", description="The command that runs this")
    title: str = Field("", description="One line on what this recipe is, for `recipe list`")
    seed: int = Field(1, ge=0, description="Decides the fresh head, order and dropout")
    model: FinetunedModel = Field(description="What is finetuned")
    tokenizer: TokenizerSettings = Field(
        TokenizerSettings(),
        description="Of a fresh model: a tokenizer, or how to train one on the training rows; a "
        "checkpoint brings its own",
    )
    task: AnyTask = Field(description="What it learns to answer")
    data: LabelledData = Field(description="Rows to train, validate and test on")
    generation: Seq2SeqGenerationSettings = Field(
        Seq2SeqGenerationSettings(), description="How answers are written, where they are texts"
    )
    optimizer: Optimizer = Field(AdamW(), description="How weights follow gradients")
    schedule: Schedule = Field(Linear(name="linear"), description="Learning rate over the run")
    batch: FinetuneBatch = Field(FinetuneBatch(), description="Size of a step")
    budget: Budget = Field(Budget(epochs=3), description="How long to train")
    validation: FinetuneValidation = Field(FinetuneValidation(), description="Held-out rows")
    checkpoints: CheckpointSettings = Field(CheckpointSettings(), description="What is saved")
    compute: ComputeSettings = Field(ComputeSettings(), description="How the machine is used")
    logging: LoggingSettings = Field(LoggingSettings(), description="What is written down")

    @model_validator(mode="after")
    def _tokenizer_fits(self) -> Self:
        if self.model.path is not None and self.tokenizer != TokenizerSettings():
            raise ValueError("tokenizer goes with model.preset; a checkpoint brings its own")
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        check_schedule(self.budget, self.schedule, self.optimizer)
        return self
