"""Recipe section that chooses a model to finetune. Light: pydantic only."""

from __future__ import annotations

from pydantic import Field

from llmctl.models.settings import ModelSettings


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
