"""Values of a row, checked: what a task reads is there and is what it is taken for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from llmctl.registry import nearest
from llmctl.tasks.base import RowRefused

_KINDS = {
    type(None): "nothing", bool: "true or false", int: "a number", float: "a number",
    list: "a list", dict: "an object", str: "text",
}  # fmt: skip


def value_in(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; `answers.text` is the key `text` within the column `answers`.

    Raises:
        RowRefused: there is no such column.

    >>> value_in({"answers": {"text": "Oslo"}}, "answers.text")
    'Oslo'
    """
    if column in row:
        return row[column]
    found: Any = row
    for part in column.split("."):
        if not isinstance(found, Mapping) or part not in found:
            close = nearest(column, list(row))
            meant = f" (did you mean {close!r}?)" if close else ""
            raise RowRefused(f"column {column!r} is missing{meant}")
        found = found[part]
    return found


def text_in(row: Mapping[str, Any], column: str) -> str:
    """
    Raises:
        RowRefused: the column is missing, empty, or holds no text.
    """
    value = value_in(row, column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # a text that happens to be a number, such as a year
    if not isinstance(value, str):
        raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected text")
    if not value.strip():
        raise RowRefused(f"column {column!r} is empty")
    return value


def texts_in(row: Mapping[str, Any], column: str) -> list[str]:
    """The text of a column, or the texts of its list; where there is nothing, an empty text.

    Raises:
        RowRefused: the column is missing or holds something else.

    >>> texts_in({"summary": ["One.", "Another."]}, "summary"), texts_in({"year": 1984}, "year")
    (['One.', 'Another.'], ['1984'])
    """
    value = value_in(row, column)
    texts = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, int | float) and not isinstance(one, bool):
            texts.append(str(one))
        elif one is None or isinstance(one, str):
            texts.append(one or "")
        else:
            raise RowRefused(f"column {column!r} holds {kind_of(one)}; expected text")
    return texts


def number_in(row: Mapping[str, Any], column: str) -> float:
    """
    Raises:
        RowRefused: the column is missing or holds no finite number.
    """
    value = value_in(row, column)
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected a number")
    return found


def kind_of(value: Any) -> str:
    """What a value is, in words.

    >>> kind_of([1]), kind_of(None)
    ('a list', 'nothing')
    """
    return _KINDS.get(type(value), type(value).__name__)
