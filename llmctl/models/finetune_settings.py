"""Recipe section that chooses a model to finetune. Light: pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from llmctl.section import Section


class PretrainedModel(Section):
    """A model to finetune."""

    path: str = Field(
        min_length=1, description="Run folder, model folder or Hub name of a pretrained model"
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="Dropout everywhere; none: as the model's configuration says"
    )
    attention: Literal["auto", "sdpa", "eager"] = Field(
        "auto", description="Attention kernel; auto: the fastest on this machine"
    )
