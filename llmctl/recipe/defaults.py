"""A recipe states only what differs from the defaults: filling them in, and leaving them out.

A section may stand as a field's default, as in `optimizer: Optimizer = AdamW(learning_rate=6e-4)`.
Someone who then writes `optimizer.weight_decay=0` keeps the `adamw` and the 6e-4 of that default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from llmctl.recipe.annotations import (
    DISCRIMINATOR,
    Kind,
    choices,
    field_kinds,
    item_kinds,
    key_of,
    name_of,
    only_value,
    sections_of,
)

REQUIRED = PydanticUndefined
"""Stands for the default of a field that has none."""


def default_of(name: str, field: FieldInfo, base: BaseModel | None = None) -> Any:
    """A field's default, or its value in `base`, the section that is its parent's default."""
    if base is not None:
        return getattr(base, name)
    if field.default_factory_takes_validated_data:
        return REQUIRED
    return field.get_default(call_default_factory=True)


def fill_in(section: type[BaseModel], data: Any, base: BaseModel | None = None) -> Any:
    """Complete the sections that `data` begins with what the section's default says.

    Adds the missing `name` of a choice, and the values that a default section was given. An empty
    section (`data:` with nothing below it) becomes `{}`. The rest is left to pydantic.
    """
    if not isinstance(data, dict):
        return data
    filled = dict(data)
    for name, field in section.model_fields.items():
        key = key_of(name, field)
        if key in data:
            filled[key] = _fill(field_kinds(field), data[key], default_of(name, field, base))
    return filled


def _fill(kinds: Sequence[Kind], value: Any, default: Any) -> Any:
    sections = sections_of(kinds)
    if value is None and sections and len(sections) == len(kinds):
        value = {}
    if isinstance(value, dict) and sections:
        return _fill_section(kinds, value, default)
    for kind in kinds:
        if isinstance(value, list) and kind.origin in (list, tuple):
            return [_fill(item_kinds(kind, i), item, None) for i, item in enumerate(value)]
        if isinstance(value, dict) and kind.origin is dict:
            return {key: _fill(item_kinds(kind), item, None) for key, item in value.items()}
    return value


def _fill_section(kinds: Sequence[Kind], value: dict[str, Any], default: Any) -> Any:
    by_name, sections = choices(kinds), sections_of(kinds)
    if by_name:
        if DISCRIMINATOR not in value and isinstance(default, BaseModel):
            value = {DISCRIMINATOR: name_of(type(default)), **value}
        name = value.get(DISCRIMINATOR)
        section = by_name.get(name) if isinstance(name, str) else None
    else:
        section = sections[0] if len(sections) == 1 else None
    if section is None:
        return value
    if type(default) is not section or _stands_whole(section):
        return fill_in(section, value)
    return fill_in(section, {**stated(default), **value}, default)


def _stands_whole(section: type[BaseModel]) -> bool:
    return bool(getattr(section, "stands_whole", False))


def stated(section: BaseModel, base: BaseModel | None = None) -> dict[str, Any]:
    """What must be written so that `fill_in` and pydantic give this section again, as plain data.

    Args:
        base: the default that the section stands in for, when it is of the same class.
    """
    plain = section.model_dump(mode="json", by_alias=True)
    written: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        key, value = key_of(name, field), getattr(section, name)
        default = default_of(name, field, base)
        if only_value(field) is not None:
            written[key] = plain[key]
        elif value == default and type(value) is type(default):
            continue
        elif isinstance(value, BaseModel):
            kept = type(default) is type(value) and not _stands_whole(type(value))
            written[key] = stated(value, default if kept else None)
        else:
            written[key] = plain[key]
    return written
