"""A recipe that has one field of every kind a recipe can have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from llmctl.section import Names, Section

Share = Annotated[float, Field(ge=0, le=1)]


class Adam(Section):
    """Adam, as ever."""

    name: Literal["adam"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, description="Peak rate")
    betas: tuple[Share, Share] = Field((0.9, 0.95), description="Decays")


class Sgd(Section):
    """Plain descent."""

    name: Literal["sgd"]
    learning_rate: float = Field(0.1, gt=0, description="Peak rate")
    momentum: Share = Field(0.0, description="Share of the last update that is kept")


Optimizer = Annotated[Adam | Sgd, Field(discriminator="name")]


class ByLength(Section):
    """Drop short documents."""

    name: Literal["length"]
    min_letters: int = Field(10, ge=0, description="Letters at least")


class ByWord(Section):
    """Drop documents with a word."""

    name: Literal["word"]
    words: Names = Field(description="Words")


Filter = Annotated[ByLength | ByWord, Field(discriminator="name")]


class Data(Section):
    train: Names = Field(min_length=1, description="Files to train on")
    text_column: str | None = Field(None, min_length=1, description="Column of the text")
    unit: Literal["auto", "file", "line"] = Field("auto", description="What a document is")
    filters: list[Filter] = Field([], description="What is dropped")


class Lora(Section):
    rank: int = Field(8, gt=0, description="Rank")
    targets: list[str] | Literal["all"] = Field("all", description="Matrices")


class ToyRecipe(Section):
    schema_version: Literal[1] = Field(1, alias="schema", description="Version")
    command: Literal["toy"] = Field("toy", description="Command")
    title: str = Field("", description="One line")
    data: Data = Field(description="Text")
    optimizer: Optimizer = Field(Adam(learning_rate=6e-4), description="How weights move")
    lora: Lora | None = Field(None, description="Adapters")
    steps: int | None = Field(None, gt=0, description="Steps")
    batch: int | Literal["auto"] = Field("auto", description="Rows per step")
    compile: bool = Field(False, description="Compile")
    ratio: Share = Field(0.5, description="A share")
    sizes: dict[str, int] = Field({}, description="Sizes by name")
    config: dict[str, Any] = Field({}, description="Anything")
    folder: Path | None = Field(None, description="A folder")

    @model_validator(mode="after")
    def _compiled_runs_are_long(self) -> Self:
        if self.compile and self.steps is not None and self.steps < 10:
            raise ValueError("compile needs at least 10 steps")
        return self
