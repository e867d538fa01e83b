"""Labels of texts: read from a row, ordered, weighed, and looked through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmctl.errors import DataError
from llmctl.registry import nearest
from llmctl.tasks.base import Example, Problem, RowRefused

Kind = Literal["single", "multi", "regression"]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, perhaps a second one, and its label: a word, several words or a number."""

    text: str
    pair: str | None
    label: str | tuple[str, ...] | float | None


def label_problems(labels: Sequence[str], examples: Sequence[Example]) -> Iterator[Problem]:
    """Labels that the model does not know, and labels of the model that no row has."""
    known, seen = set(labels), set[str]()
    if not known:
        return
    for number, example in enumerate(examples):
        for label in labels_of(example):
            seen.add(label)
            if label not in known:
                close = nearest(label, list(labels))
                meant = f"; did you mean {close!r}?" if close else ""
                yield Problem("unknown_label", number, f"label {label!r} is unknown{meant}")
    for label in labels:
        if label not in seen:
            yield Problem("empty_class", None, f"no row has the label {label!r}")


def label_weights(
    given: Mapping[str, float] | str | None, labels: Sequence[str], examples: Sequence[Example]
) -> list[float] | None:
    """A weight for each label; `balanced` is rows / (labels × rows of the label).

    Raises:
        DataError: weights name a label that is none.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(labels))
        if unknown:
            raise DataError(
                f"task.class_weights names {unknown[0]!r}, which is no label",
                hint=f"labels are {', '.join(labels)}",
            )
        return [given.get(label, 1.0) for label in labels]
    counts = [sum(label in labels_of(one) for one in examples) for label in labels]
    return [len(examples) / (len(counts) * count) if count else 0.0 for count in counts]


def word_of(value: Any, column: str) -> str:
    """A label as a text: numbers and truth values as they are written."""
    if isinstance(value, str):
        value = value.strip()
        if value:
            return str(value)
    elif isinstance(value, bool | int):
        return str(value).lower() if isinstance(value, bool) else str(value)
    elif isinstance(value, float) and value.is_integer():
        return str(int(value))
    elif isinstance(value, float):
        return repr(value)
    raise RowRefused(f"column {column!r} holds no label")


def labels_of(example: Example) -> Iterable[str]:
    """The labels of a row, as words; none where it has no answer."""
    label = example.content.label
    if label is None:
        return ()
    return label if isinstance(label, tuple) else (str(label),)


def kind_of_labels(examples: Sequence[Example]) -> Kind:
    """Several labels where any row holds a list, else a single one."""
    several = any(isinstance(one.content.label, tuple) for one in examples)
    return "multi" if several else "single"


def in_order(labels: Iterable[str]) -> list[str]:
    """Numbers by size, words by their letters.

    >>> in_order({"10", "9"}), in_order({"b", "a"})
    (['9', '10'], ['a', 'b'])
    """
    found = sorted(labels)
    try:
        return sorted(found, key=float)
    except ValueError:
        return found
