"""Checks that predictions and references have the shape that a text metric takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmctl.errors import DataError, UsageError


def text_pairs(
    predictions: Sequence[Any], references: Sequence[Any]
) -> list[tuple[str, list[str]]]:
    """Every prediction with its references.

    Args:
        predictions: N strings.
        references: for each prediction a string, or a list of strings; lists may differ in length,
            and a None in one is a reference that is missing.

    Raises:
        UsageError: a bare string or something else that is no list, or references that lie by
            stream (all first references, then all second ones).
        DataError: nothing to score, numbers that differ, a value that is no string, or a prediction
            without any reference.

    >>> text_pairs(["a cat", "a dog"], ["the cat", ["the dog", "dogs"]])
    [('a cat', ['the cat']), ('a dog', ['the dog', 'dogs'])]
    """
    hypotheses = texts(predictions)
    _check_list(references, "references")
    if len(references) != len(hypotheses):
        raise _lengths_differ(len(hypotheses), references)
    return [
        (hypothesis, _references_of(number, given))
        for number, (hypothesis, given) in enumerate(zip(hypotheses, references, strict=True), 1)
    ]


def texts(predictions: Sequence[Any]) -> list[str]:
    """The predictions, each a string and at least one; the errors of `text_pairs`."""
    _check_list(predictions, "predictions")
    if not len(predictions):
        raise DataError("there are no predictions to score")
    for number, prediction in enumerate(predictions, 1):
        if not isinstance(prediction, str):
            raise DataError(f"prediction {number} is {_say(prediction)}; a string was expected")
    return list(predictions)


def reference_counts(pairs: Sequence[tuple[str, Sequence[str]]]) -> int | str:
    """How many references an example has, for a signature: `var` where that differs.

    >>> reference_counts([("a", ["b"]), ("c", ["d", "e"])])
    'var'
    """
    counts = {len(references) for _, references in pairs}
    return counts.pop() if len(counts) == 1 else "var"


def _check_list(value: Any, name: str) -> None:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise UsageError(
            f"{name} is {_say(value)}; a list with an item for each example was expected",
            hint=f"{name}=[text] scores a single text" if isinstance(value, str) else None,
        )


def _references_of(number: int, given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list | tuple):
        raise DataError(
            f"the reference of prediction {number} is {_say(given)}; a string or a list of strings "
            "was expected"
        )
    for reference in given:
        if reference is not None and not isinstance(reference, str):
            raise DataError(
                f"a reference of prediction {number} is {_say(reference)}; a string was expected"
            )
    known = [reference for reference in given if reference is not None]
    if not known:
        raise DataError(
            f"prediction {number} has no reference",
            hint="leave such rows out; an empty text as reference is the string ''",
        )
    return known


def _lengths_differ(count: int, references: Sequence[Any]) -> DataError | UsageError:
    by_stream = bool(references) and all(
        isinstance(stream, list | tuple) and len(stream) == count for stream in references
    )
    if by_stream:
        return UsageError(
            f"references lie by stream: {len(references)} lists of {count}, for {count} "
            "predictions; a list of references for each prediction was expected",
            hint="references = list(zip(*references))",
        )
    return DataError(
        f"there are {count} predictions and references for {len(references)}; they must be as many",
    )


def _say(value: Any) -> str:
    if isinstance(value, str):
        return f"the string {_shorten(value)!r}"
    if value is None:
        return "None"
    return f"{type(value).__name__} {_shorten(repr(value))}"


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
