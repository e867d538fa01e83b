"""What a classifier says of each class, read into one table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.errors import DataError, UsageError
from llmctl.metrics.base import FloatArray
from llmctl.metrics.labels import (
    Label,
    codes_of,
    known_label,
    one_sort,
    plain,
    same_length,
    say,
)
from llmctl.registry import nearest


@dataclass(frozen=True)
class ClassTable:
    """
    Attributes:
        classes: the C classes, as texts.
        values: what was said of each class, [N, C].
        actual: the place of the right class, [N].
        positive: the place of the positive class where there are two; None where there are more.
    """

    classes: list[str]
    values: FloatArray
    actual: NDArray[np.int64]
    positive: int | None


_OTHER = {"0": "1", "1": "0", "false": "true", "true": "false"}
"""Of two classes with these names, the other one."""


def class_table(
    predictions: Sequence[Any],
    references: Sequence[Any],
    labels: Sequence[Label] | None,
    positive: Label | None,
) -> ClassTable:
    """Probabilities or scores by class, and the right class.

    Labels are compared as texts, as JSON writes the keys of an object: 1 is "1", True is "true".

    Args:
        predictions: N of one form: a mapping from every label to its value; a list of values in
            the order of `labels`; or, with two classes, one value for the positive class, the
            other one having one minus that.
        references: N labels.
        labels: the classes. None: the keys of mappings, or the labels of the references.
        positive: of two classes, the one that is meant to be found; None: the last of them in
            order, as in scikit-learn (1 of 0 and 1).

    Raises:
        UsageError: a setting fits none of the data.
        DataError: a row that does not, with its number.
    """
    same_length(predictions, references)
    known = [
        known_label(value, f"reference {row}", labels or ())
        for row, value in enumerate(references, 1)
    ]
    one_sort([("reference", known)])
    rows = [row.tolist() if isinstance(row, np.ndarray) else plain(row) for row in predictions]
    classes = _classes(rows[0], known, labels, positive)
    place = None if len(classes) != 2 else _positive(classes, positive)
    for row, label in enumerate(known, 1):
        if as_text(label) not in classes:
            raise DataError(
                f"reference {row} is {as_text(label)!r}, which is not one of the classes "
                f"{', '.join(classes)}",
                hint=_meant(as_text(label), classes),
            )
    values = np.array([_values(row, value, classes, place) for row, value in enumerate(rows, 1)])
    return ClassTable(
        classes, values, codes_of([as_text(label) for label in known], classes), place
    )


def as_text(label: Label) -> str:
    """
    >>> as_text(True), as_text(1), as_text("1")
    ('true', '1', '1')
    """
    return str(label).lower() if isinstance(label, bool) else str(label)


def _classes(
    first: Any, references: Sequence[Label], labels: Sequence[Label] | None, positive: Label | None
) -> list[str]:
    if labels is not None:
        return list(dict.fromkeys(as_text(label) for label in labels))
    if isinstance(first, Mapping):
        return _in_order(as_text(label) for label in first)
    if isinstance(first, list | tuple):
        raise UsageError(
            "predictions are lists of values, and nothing says which label each value is of",
            hint="name the labels in their order (`labels`), or give objects {label: probability}",
        )
    named = set() if positive is None else {as_text(positive)}
    found = named | {as_text(label) for label in references}
    if len(found) == 1:
        only = next(iter(found))
        if only not in _OTHER and not named:
            raise UsageError(
                f"every reference is {only!r}, and nothing says whether predictions are values of "
                "it or of another label",
                hint="name both labels (`labels`)",
            )
        found.add(_OTHER.get(only, f"not {only}"))
    return _in_order(found)


def _in_order(labels: Iterable[str]) -> list[str]:
    """Numbers by size, words by their letters."""
    found = sorted(set(labels))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found


def _positive(classes: Sequence[str], positive: Label | None) -> int:
    if positive is None:
        return 1
    if as_text(positive) not in classes:
        raise UsageError(
            f"the positive label is {positive!r}, which is not one of {', '.join(classes)}",
            hint=_meant(as_text(positive), classes),
        )
    return classes.index(as_text(positive))


def _values(row: int, given: Any, classes: Sequence[str], positive: int | None) -> list[float]:
    if isinstance(given, Mapping):
        held = {as_text(label): value for label, value in given.items()}
        if held.keys() != set(classes):
            wrong = sorted(held.keys() ^ set(classes))[0]
            fault = "has no value for" if wrong in classes else "has a value for the unknown label"
            raise DataError(
                f"prediction {row} {fault} {wrong!r}; one for each of {', '.join(classes)} was "
                "expected",
                hint="write the values of all labels, not of the best ones alone",
            )
        return [_value(row, held[label]) for label in classes]
    if isinstance(given, list | tuple):
        if len(given) != len(classes):
            raise DataError(
                f"prediction {row} has {len(given)} values; {len(classes)} were expected, one for "
                f"each of {', '.join(classes)}"
            )
        return [_value(row, value) for value in given]
    if positive is None:
        raise DataError(
            f"prediction {row} is {say(given)}, and there are {len(classes)} classes "
            f"({', '.join(classes)}); a single value is enough for two classes only",
            hint="give objects {label: probability}",
        )
    value = _value(row, given)
    return [value, 1.0 - value] if positive == 0 else [1.0 - value, value]


def _value(row: int, given: Any) -> float:
    value = plain(given)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"prediction {row} holds {say(given)}; finite numbers were expected")
    return float(value)


def _meant(word: str, known: Sequence[str]) -> str | None:
    close = nearest(word, list(known))
    return f"did you mean {close!r}?" if close else None
