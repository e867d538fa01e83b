"""Answers to questions, and the checks of what metrics of answers are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmctl.errors import DataError
from llmctl.metrics.labels import same_length, say


def answer_pairs(
    predictions: Sequence[Any], references: Sequence[Any], *, may_be_empty: bool
) -> list[tuple[str, list[str]]]:
    """Every answer with the texts that would have been right.

    Args:
        predictions: N texts; the empty one says that there is no answer.
        references: N lists of texts; a text alone stands for a list of one, and
            `{"text": [...], "answer_start": [...]}`, as data sets have it, for its texts.
        may_be_empty: a list may be empty: the question has no answer.

    Raises:
        UsageError: predictions or references are no list.
        DataError: numbers that differ, a row of another form, or one without right answers.

    >>> answer_pairs(["in Rome"], [{"text": ["Rome"], "answer_start": [3]}], may_be_empty=False)
    [('in Rome', ['Rome'])]
    """
    same_length(predictions, references)
    pairs = []
    for row, (answer, given) in enumerate(zip(predictions, references, strict=True), 1):
        if not isinstance(answer, str):
            raise DataError(
                f"prediction {row} is {say(answer)}; a text was expected",
                hint="an answer that was not found is the empty text ''",
            )
        right = _texts(given, f"reference {row}")
        if not right and not may_be_empty:
            raise DataError(
                f"reference {row} has no answer; at least one was expected",
                hint="questions without an answer are those of SQuAD v2: squad with version=v2",
            )
        pairs.append((answer, right))
    return pairs


def _texts(given: Any, where: str) -> list[str]:
    texts = given.get("text") if isinstance(given, Mapping) else given
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where} is {say(given)}; a list of right answers (texts) was expected")
    return list(texts)
