"""Checks that predictions and references are labels that can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.errors import DataError, UsageError

Label = str | bool | int
"""A label is a text, a whole number, or true or false."""

_HIDDEN: tuple[object, ...] = (-1, "-1", "")


def same_length(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    """
    Raises:
        UsageError: one of them is no list.
        DataError: there is nothing to score, or not as many predictions as references.
    """
    for name, values in (("predictions", predictions), ("references", references)):
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise UsageError(
                f"{name} is {say(values)}; a list with an item for each example was expected"
            )
    if not len(predictions) and not len(references):
        raise DataError("there are no predictions to score")
    if len(predictions) != len(references):
        raise DataError(
            f"there are {len(predictions)} predictions and {len(references)} references; "
            "they must be as many"
        )


def label_pairs(
    predictions: Sequence[Any], references: Sequence[Any], labels: Sequence[Label] = ()
) -> tuple[list[Label], list[Label]]:
    """Predictions and references as lists of labels of one sort.

    Args:
        predictions, references: N labels each.
        labels: labels that are named, so that -1 and the empty text may be among them.

    Raises:
        UsageError: predictions or references are no list.
        DataError: nothing to score, numbers that differ, a row without a label, the -1 of hidden
            test labels, or texts to be compared with numbers.

    >>> label_pairs(["yes", "no"], ["yes", "yes"])
    (['yes', 'no'], ['yes', 'yes'])
    """
    same_length(predictions, references)
    predicted = [_label(value, f"prediction {row}") for row, value in _rows(predictions)]
    actual = [
        known_label(value, f"reference {row}", labels=labels) for row, value in _rows(references)
    ]
    one_sort([("prediction", predicted), ("reference", actual), ("label", labels)])
    return predicted, actual


def known_label(value: Any, where: str, labels: Sequence[Label] = ()) -> Label:
    """A reference's label.

    Raises:
        DataError: there is none, or it is -1 or empty, as test sets have it whose labels are kept
            secret, and not one of `labels`.
    """
    label = _label(value, where)
    if label in _HIDDEN and label not in labels:
        raise DataError(
            f"{where} is {label!r}, which stands for a label that is not known",
            hint="score a set whose labels are known, such as validation; leave such rows out; "
            f"or name {label!r} in `labels` if it is a class",
        )
    return label


def one_sort(groups: Iterable[tuple[str, Iterable[Label]]]) -> None:
    """
    Args:
        groups: what the labels are, and the labels.

    Raises:
        DataError: labels are of several sorts, such as texts and numbers, which are never equal.

    >>> one_sort([("prediction", [1, 0]), ("reference", ["1"])])
    Traceback (most recent call last):
    llmctl.errors.DataError: prediction 1 is a whole number and reference '1' a text: they can \
never be equal
    """
    first: tuple[str, Label] | None = None
    for name, labels in groups:
        for label in labels:
            first = first or (name, label)
            if type(label) is not type(first[1]):
                raise DataError(
                    f"{first[0]} {first[1]!r} is {_SORTS[type(first[1])]} and {name} {label!r} "
                    f"{_SORTS[type(label)]}: they can never be equal",
                    hint="write labels in one form; as texts, they are '0' and '1'",
                )


def classes_of(*groups: Iterable[Label]) -> list[Label]:
    """The different labels in order: numbers by size, texts by their letters."""
    found: set[Label] = set()
    for labels in groups:
        found.update(labels)
    return sorted(found)


def codes_of(labels: Iterable[Label], classes: Sequence[Label]) -> NDArray[np.int64]:
    """The place of each label among the classes, [N].

    >>> codes_of(["b", "a", "b"], ["a", "b"]).tolist()
    [1, 0, 1]
    """
    place = {label: number for number, label in enumerate(classes)}
    return np.array([place[label] for label in labels], dtype=np.int64)


def place_of(label: Label, classes: Sequence[Label]) -> int | None:
    """Where a label is among the classes, 1, True and "1" being three; None where it is not.

    >>> place_of("1", ["0", "1"]), place_of(1, ["0", "1"])
    (1, None)
    """
    alike = [number for number, known in enumerate(classes) if known == label]
    return next((n for n in alike if type(classes[n]) is type(label)), None)


def say(value: Any) -> str:
    """A value for a message: its type, and its start."""
    if value is None:
        return "None"
    text = repr(value)
    kind = "the text" if isinstance(value, str) else type(value).__name__
    return f"{kind} {text if len(text) <= 40 else text[:37] + '...'}"


def plain(value: Any) -> Any:
    """A numpy scalar as the Python value that it stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _rows(values: Sequence[Any]) -> Iterable[tuple[int, Any]]:
    return enumerate(values, 1)


_SORTS: dict[type, str] = {str: "a text", int: "a whole number", bool: "true or false"}


def _label(value: Any, where: str) -> Label:
    label = plain(value)
    if type(label) in _SORTS:
        found: Label = label
        return found
    if label is None:
        raise DataError(
            f"{where} is missing (None)",
            hint="every row needs a label; leave such rows out on both sides",
        )
    raise DataError(
        f"{where} is {say(label)}; a label (a text, a whole number, true or false) was expected"
    )
