"""Types and values of a recipe in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import annotated_types as bounds

from llmctl.recipe.annotations import Kind, choices, item_kinds
from llmctl.section import Names

_AS_LIST = get_args(Names)[1]  # the validator by which a single text stands for a list of one
_PLAIN = {bool: "true or false", str: "text", Path: "path", Any: "anything", object: "anything"}
_LONGEST_SHOWN = 60


def as_written(value: Any) -> str:
    """A plain value as a recipe would spell it.

    >>> as_written(True), as_written(None), as_written(1e-05), as_written(["a", 1]), as_written({})
    ('true', 'null', '1e-05', '[a, 1]', '{}')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {as_written(item)}' for key, item in value.items())}}}"
    return str(value)


def value_in_words(value: Any) -> str:
    """What was found where something else was expected.

    >>> value_in_words("abc"), value_in_words(1.5), value_in_words(None), value_in_words([1])
    ("the text 'abc'", 'the number 1.5', 'nothing', 'a list')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return as_written(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST_SHOWN else value[: _LONGEST_SHOWN - 1] + "…"
        return f"the text {short!r}"
    return "a list" if isinstance(value, list) else "a section"


def literals(kinds: Sequence[Kind]) -> list[str]:
    """All the closed choices among the alternatives, as text."""
    values = [value for kind in kinds if kind.origin is Literal for value in get_args(kind.type)]
    return [as_written(value) for value in values]


def is_closed(kinds: Sequence[Kind]) -> bool:
    """Whether a field takes only the values of a closed list (or null)."""
    return all(kind.origin in (Literal, type(None)) for kind in kinds) and bool(literals(kinds))


def in_words(kinds: Sequence[Kind]) -> str:
    """What a field accepts, for a person.

    >>> from llmctl.recipe.annotations import kinds_of
    >>> in_words(kinds_of(list[str] | int | None))
    'list of text or whole number, or null'
    """
    others = [kind for kind in kinds if kind.origin not in (Literal, type(None))]
    named = literals(kinds)
    if named and not others:
        words = f"one of {', '.join(named)}" if len(named) > 1 else named[0]
    else:
        words = " or ".join([*dict.fromkeys(_kind_in_words(kind) for kind in others), *named])
    if len(by_name := choices(kinds)) > 1:
        words = f"section, by name: {', '.join(by_name)}"
    return f"{words}, or null" if any(kind.type is type(None) for kind in kinds) else words


def _kind_in_words(kind: Kind, *, many: bool = False) -> str:
    if kind.section:
        return "sections" if many else "section"
    if kind.origin in (list, set, frozenset, tuple, Sequence):
        words = _list_in_words(kind)
        return f"text or {words}" if _AS_LIST in kind.metadata else words
    if kind.type in (int, float):
        words = "whole number" if kind.type is int else "number"
        words = f"{words}s" if many else words
        return " ".join([words, *_bounds_in_words(kind.metadata)])
    if kind.origin is dict:
        return "mappings" if many else "mapping"
    return _PLAIN.get(kind.type, getattr(kind.type, "__name__", str(kind.type)))


def _list_in_words(kind: Kind) -> str:
    arguments = get_args(kind.type)
    fixed = kind.origin is tuple and arguments and Ellipsis not in arguments
    items = item_kinds(kind)
    if len(items) != 1 or items[0].origin is Literal:
        words = f"({in_words(items)})" if items else "anything"
    else:
        words = _kind_in_words(items[0], many=True)
    return f"list of {len(arguments)} {words}" if fixed else f"list of {words}"


def _bounds_in_words(metadata: Sequence[Any]) -> list[str]:
    lower = [f"above {item.gt:g}" for item in metadata if isinstance(item, bounds.Gt)]
    lower += [f"from {item.ge:g}" for item in metadata if isinstance(item, bounds.Ge)]
    to = "to" if lower else "up to"
    upper = [f"{to} below {item.lt:g}" for item in metadata if isinstance(item, bounds.Lt)]
    upper += [f"{to} {item.le:g}" for item in metadata if isinstance(item, bounds.Le)]
    return [*lower, *upper]
