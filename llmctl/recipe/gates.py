"""Gates in a file, for `llmctl eval` and `llmctl score`: `--gates ci/gates.yaml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from llmctl.section import Names, Section


class GatesRecipe(Section):
    """What a build passes or fails on."""

    schema_version: Literal[1] = Field(1, alias="schema", description="Version of this format")
    command: Literal["gates"] = Field("gates", description="What this file is for")
    title: str = Field("", description="One line on what is gated, for people")
    gates: Names = Field(default=[], description="Conditions such as bleu>=30")
    baseline: str | None = Field(
        None, description="An earlier result, a results.json or its folder; from the current folder"
    )
    max_drop: dict[str, float | str] = Field(
        default={},
        description="By number, how much worse than the baseline it may be: 0.5 of its own units, "
        "or 2%",
    )
    significant: float | None = Field(
        None,
        gt=0,
        le=0.5,
        description="Fail on a drop only if it is beyond chance at this level, such as 0.05; none: "
        "on any",
    )
