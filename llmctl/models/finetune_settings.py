"""Recipe section that chooses a model to finetune. Light: pydantic only."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from llmctl.models.settings import ModelSettings
from llmctl.section import Names, Section

AUTO = "auto"


class Lora(Section):
    """Low-rank adaptation (Hu et al. 2022): the model is frozen, and beside its matrices thin ones
    learn, with the task's head."""

    rank: int = Field(8, gt=0, description="Rows of the thin matrices")
    alpha: float = Field(
        16.0, gt=0, description="Their product is multiplied by alpha / rank (section 4.1)"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="On what they read")
    targets: Names = Field(
        [AUTO],
        min_length=1,
        description="Linear layers that get them, by the ends of their names, such as query or "
        "attn.c_proj; auto: all inside the blocks",
    )

    @model_validator(mode="after")
    def _auto_stands_alone(self) -> Self:
        if AUTO in self.targets and len(self.targets) > 1:
            raise ValueError("targets: auto already means every linear layer; name some, or auto")
        return self


class FinetunedModel(ModelSettings):
    """A pretrained model to finetune, or a fresh one of a preset's shape that learns the task
    alone."""

    dropout: float | None = Field(  # type: ignore[assignment]
        None,
        ge=0,
        lt=1,
        description="Dropout everywhere; none: as a checkpoint's configuration says, 0.1 in a "
        "fresh model",
    )
    lora: Lora | None = Field(
        None, description="Train low-rank matrices beside frozen weights; none: all weights"
    )

    @model_validator(mode="after")
    def _lora_has_a_base(self) -> Self:
        if self.lora is not None and self.preset is not None:
            raise ValueError("lora adapts a pretrained model: give path, not preset")
        if self.lora is not None and self.extend_vocabulary:
            raise ValueError("lora trains no embeddings: leave out extend_vocabulary, or lora")
        return self
