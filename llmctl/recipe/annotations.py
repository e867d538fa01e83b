"""What a recipe field may hold: its declared type taken apart."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

DISCRIMINATOR = "name"


@dataclass(frozen=True)
class Kind:
    """One of the types that a field accepts, with its bounds."""

    type: Any
    metadata: tuple[Any, ...] = ()

    @property
    def origin(self) -> Any:
        return get_origin(self.type) or self.type

    @property
    def section(self) -> type[BaseModel] | None:
        is_section = isinstance(self.type, type) and issubclass(self.type, BaseModel)
        return self.type if is_section else None


def kinds_of(annotation: Any, metadata: Sequence[Any] = ()) -> list[Kind]:
    """The alternatives of a declared type, unions and `Annotated` opened.

    >>> [kind.type for kind in kinds_of(int | None)]
    [<class 'int'>, <class 'NoneType'>]
    """
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        metadata = (*inner, *metadata)
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for member in get_args(annotation) for kind in kinds_of(member, metadata)]
    return [Kind(annotation, tuple(_flat(metadata)))]


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def field_kinds(field: FieldInfo) -> list[Kind]:
    return kinds_of(field.annotation, field.metadata)


def key_of(name: str, field: FieldInfo) -> str:
    """How a recipe spells a field: its alias where it has one."""
    return field.alias or name


def fields_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by the keys that a recipe uses."""
    return {key_of(name, field): field for name, field in section.model_fields.items()}


def sections_of(kinds: Sequence[Kind]) -> list[type[BaseModel]]:
    return [kind.section for kind in kinds if kind.section]


def name_of(section: type[BaseModel]) -> str | None:
    """The word by which a recipe chooses this section: the only value of its field `name`."""
    field = section.model_fields.get(DISCRIMINATOR)
    return only_value(field) if field else None


def only_value(field: FieldInfo) -> Any:
    """The value of a field that can have but one (`Literal["adamw"]`), else None."""
    values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return values[0] if len(values) == 1 else None


def choices(kinds: Sequence[Kind]) -> dict[str, type[BaseModel]]:
    """The sections that a field chooses from by name; empty when there is no choice."""
    sections = sections_of(kinds)
    named = {name: section for section in sections if (name := name_of(section))}
    return named if len(sections) > 1 and len(named) == len(sections) else {}


def item_kinds(kind: Kind, position: int = 0) -> list[Kind]:
    """What the items of a list or tuple, or the values of a mapping, may be."""
    arguments = get_args(kind.type)
    if kind.origin is tuple and Ellipsis not in arguments:
        return kinds_of(arguments[position]) if position < len(arguments) else []
    if kind.origin in (list, set, frozenset, tuple, Sequence) or kind.origin is dict:
        return kinds_of(arguments[-1 if kind.origin is dict else 0]) if arguments else []
    return []
