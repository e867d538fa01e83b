"""The base of every recipe section: a frozen value, strict about its keys, each with a meaning."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A part of a recipe. Subclasses live beside the code they steer.

    Every field has a default where one is sensible and a `Field(description=...)` with its unit;
    `llmctl recipe settings` prints them. Import nothing heavy where a section is defined.
    """

    stands_whole: ClassVar[bool] = False
    """Whoever writes this section writes all of it: a default that stands for it is not kept in
    parts, since its settings exclude each other."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
"""A list of texts; a single text stands for a list of one."""
