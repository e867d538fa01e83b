"""Recipe section that chooses a model to finetune. Light: pydantic only."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from llmctl.models.settings import ModelSettings
from llmctl.section import Names, Section

AUTO = "auto"
EMBEDDINGS, BODY = "embeddings", "body"

_BLOCKS = re.compile(r"(\d+)(?:-(\d+))?")


def _as_words(value: Any) -> Any:
    """A block's number is read from YAML as a number."""
    values = value if isinstance(value, list) else [value]
    return [str(one) if type(one) is int else one for one in values]


def _known_words(words: list[str]) -> list[str]:
    for word in words:
        found = _BLOCKS.fullmatch(word)
        if word not in (EMBEDDINGS, BODY) and not found:
            raise ValueError(f"{word!r} is none of {EMBEDDINGS}, {BODY}, a block or blocks (0-3)")
        if found and found[2] and int(found[2]) < int(found[1]):
            raise ValueError(f"{word!r} runs downwards; blocks count from 0 at the bottom")
    return words


FrozenParts = Annotated[
    list[str],
    BeforeValidator(_as_words, json_schema_input_type=str | int | list[str | int]),
    AfterValidator(_known_words),
]


def blocks_named(words: list[str]) -> set[int]:
    """
    >>> sorted(blocks_named(["embeddings", "0-2", "5"]))
    [0, 1, 2, 5]
    """
    found = [match for word in words if (match := _BLOCKS.fullmatch(word))]
    return {
        number for match in found for number in range(int(match[1]), int(match[2] or match[1]) + 1)
    }


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
    freeze: FrozenParts = Field(
        [],
        description="Weights that do not learn: embeddings (and a head that shares their table), "
        "blocks by number from the bottom (3, 0-3), or body: all but the task's head",
        examples=[["embeddings", "0-3"]],
    )

    @model_validator(mode="after")
    def _what_learns_has_a_base(self) -> Self:
        if self.freeze and self.preset is not None:
            raise ValueError("freeze keeps what a pretrained model has learnt: give path")
        if self.lora is not None and self.preset is not None:
            raise ValueError("lora adapts a pretrained model: give path, not preset")
        if self.lora is not None and self.freeze:
            raise ValueError("lora freezes all but its matrices: leave out freeze, or lora")
        if self.lora is not None and self.extend_vocabulary:
            raise ValueError("lora trains no embeddings: leave out extend_vocabulary, or lora")
        return self
