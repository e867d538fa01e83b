"""The recipes: which sections each command's recipe is made of, and the rules that join them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from llmctl.data.settings import DataSettings
from llmctl.errors import UsageError
from llmctl.models.settings import ModelSettings
from llmctl.objectives import AnyObjective
from llmctl.objectives.causal_lm import CausalLM
from llmctl.registry import Registry
from llmctl.section import Section
from llmctl.tokenization.settings import TokenizerSettings
from llmctl.training.settings import (
    AdamW,
    BatchSettings,
    Budget,
    CheckpointSettings,
    ComputeSettings,
    Cosine,
    LoggingSettings,
    Optimizer,
    Schedule,
    ValidationSettings,
    check_schedule,
)


class PretrainRecipe(Section):
    """Everything `llmctl pretrain` needs to know."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this format")
    command: Literal["pretrain"] = Field("pretrain", description="The command that runs this")
    title: str = Field("", description="One line on what this recipe is, for `recipe list`")
    seed: int = Field(1, ge=0, description="Decides initial weights, order, masks and dropout")
    model: ModelSettings = Field(description="A fresh model, or a checkpoint to go on from")
    data: DataSettings = Field(description="Text to train and validate on")
    tokenizer: TokenizerSettings = Field(
        TokenizerSettings(), description="A tokenizer, or how to train one on the training text"
    )
    objective: AnyObjective = Field(CausalLM(), description="What the model learns to predict")
    optimizer: Optimizer = Field(AdamW(), description="How weights follow gradients")
    schedule: Schedule = Field(Cosine(), description="Learning rate over the run")
    batch: BatchSettings = Field(BatchSettings(), description="Size of a step")
    budget: Budget = Field(description="How long to train")
    validation: ValidationSettings = Field(ValidationSettings(), description="Held-out loss")
    checkpoints: CheckpointSettings = Field(CheckpointSettings(), description="What is saved")
    compute: ComputeSettings = Field(ComputeSettings(), description="How the machine is used")
    logging: LoggingSettings = Field(LoggingSettings(), description="What is written down")

    @model_validator(mode="after")
    def _objective_fits(self) -> Self:
        from llmctl.recipe.fit import check_fit

        try:
            check_fit(self)
        except UsageError as error:
            hint = f"; try {error.hint}" if error.hint else ""
            raise ValueError(f"{error}{hint}") from None
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        check_schedule(self.budget, self.schedule, self.optimizer)
        return self


RECIPES: Registry[type[Section]] = Registry(
    "recipe command",
    {
        "pretrain": PretrainRecipe,
        "finetune": "llmctl.recipe.finetune:FinetuneRecipe",
        "gates": "llmctl.recipe.gates:GatesRecipe",
    },
)
