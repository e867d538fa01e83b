"""Rows of a source and what should be written for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import texts_in, value_in
from llmctl.tasks.text_answers import without_end


@dataclass(frozen=True, slots=True)
class TextPair:
    """A source and what should be written for it.

    Attributes:
        sentences: of a source that comes as a list of them, else ().
        targets: right answers: the first is learnt, all of them judge; () where none is given.
    """

    source: str
    sentences: tuple[str, ...]
    targets: tuple[str, ...]


def pair_of(
    row: Mapping[str, Any], source: str, target: str, *, joiner: str, end_words: Sequence[str],
    labelled: bool,
) -> TextPair:  # fmt: skip
    """The pair in two columns of a row; either may hold a list.

    Args:
        joiner: put between the sentences of a source that is a list.
        end_words: names of end tokens that are cut from the end of targets.
        labelled: the target must be there.

    Raises:
        RowRefused: a column is missing or holds something else, or there is no source.
    """
    sentences = texts_in(row, source)
    whole = joiner.join(sentences)
    if not whole.strip():
        raise RowRefused(f"column {source!r} is empty")
    several = tuple(sentences) if len(sentences) > 1 else ()
    if not labelled and not _is_there(row, target):
        return TextPair(whole, several, ())
    targets = [without_end(text, end_words) for text in texts_in(row, target)]
    if not targets:
        raise RowRefused(f"column {target!r} is an empty list")
    return TextPair(whole, several, tuple(text for text in targets if text.strip()) or ("",))


def _is_there(row: Mapping[str, Any], column: str) -> bool:
    try:
        return value_in(row, column) is not None
    except RowRefused:
        return False
