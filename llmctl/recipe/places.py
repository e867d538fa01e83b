"""From where pydantic says a mistake is to where a person wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from llmctl.recipe.annotations import (
    Kind,
    field_kinds,
    fields_of,
    item_kinds,
    name_of,
    sections_of,
)
from llmctl.recipe.yaml_strict import Key

NOTHING = object()
"""The value at a place where nothing was written."""


@dataclass(frozen=True)
class Place:
    """A place in a recipe's data, with what is declared there."""

    keys: tuple[Key, ...]
    value: Any
    kinds: tuple[Kind, ...]
    """What the place may hold; empty where nothing is declared, as for an unknown key."""
    section: type[BaseModel] | None
    """The section that holds the place."""
    siblings: tuple[type[BaseModel], ...] = ()
    """The other sections that could have been chosen, by name, instead of `section`."""
    of_union: bool = False
    """Whether pydantic meant one alternative of a union of plain types."""


def locate(recipe_class: type[BaseModel], data: Any, location: Sequence[Key]) -> Place:
    """Follow one of pydantic's locations, which names data keys and union members alike.

    >>> from llmctl.recipe.schema import PretrainRecipe
    >>> data = {"optimizer": {"name": "sgd", "beta1": 0.9}}
    >>> locate(PretrainRecipe, data, ("optimizer", "sgd", "beta1")).keys
    ('optimizer', 'beta1')
    """
    place = Place((), data, (Kind(recipe_class),), None)
    not_chosen: tuple[type[BaseModel], ...] = ()
    for number, element in enumerate(location):
        sections = sections_of(place.kinds)
        chosen = tuple(kind for kind in place.kinds if element in _labels(kind))
        if len(sections) > 1 and chosen:
            not_chosen = tuple(s for s in sections if s is not chosen[0].section)
            place = replace(place, kinds=chosen)
            continue
        below = _step(place, element, is_last=number == len(location) - 1)
        if below is None:
            place = replace(place, of_union=True)
        else:
            place, not_chosen = replace(below, siblings=not_chosen), ()
    return place


def _labels(kind: Kind) -> tuple[str | None, ...]:
    """What pydantic calls a section among the members of a union."""
    return (name_of(kind.section), kind.section.__name__) if kind.section else ()


def _step(place: Place, element: Key, *, is_last: bool) -> Place | None:
    """One key further, or None when the element is no key but a label of pydantic's."""
    value = _value_at(place.value, element)
    kinds: list[Kind] = []
    holder = None
    for kind in place.kinds:
        if kind.section:
            field = fields_of(kind.section).get(str(element))
            if field is not None or (value is not NOTHING and is_last):
                holder = kind.section
            kinds += field_kinds(field) if field else []
        elif isinstance(element, int):
            kinds += item_kinds(kind, element)
        elif kind.origin is dict and value is not NOTHING:
            kinds += item_kinds(kind)
    if value is NOTHING and not kinds:
        return None
    return Place((*place.keys, element), value, tuple(kinds), holder)


def _value_at(value: Any, element: Key) -> Any:
    if isinstance(value, dict) and isinstance(element, str):
        return value.get(element, NOTHING)
    if isinstance(value, list) and isinstance(element, int) and element < len(value):
        return value[element]
    return NOTHING


def with_value(data: Any, keys: Sequence[Key], value: Any) -> Any:
    """A copy of plain data with another value at one place.

    >>> with_value({"a": [1, 2]}, ["a", 1], "x")
    {'a': [1, 'x']}
    """
    if not keys:
        return value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[keys[0]] = with_value(data[keys[0]], keys[1:], value)
    return copy
