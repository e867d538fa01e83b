"""Words of a text with their places, words as a text, and marked places of a text as tags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import kind_of
from llmctl.tasks.tag_schemes import Entity, write_tags

_WRITTEN_WITHOUT_SPACES = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_WIDE = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF))
"""Ideographs, kana and full-width punctuation."""

Offsets = tuple[tuple[int, int], ...]
"""Start and end of each word, in characters; the end is not in it."""


class Span(NamedTuple):
    """Characters `start` to `end` of a text, which is not in them, and their label."""

    start: int
    end: int
    label: str


@cache
def _splitter() -> Any:
    from tokenizers import Regex, pre_tokenizers

    ideographs = pre_tokenizers.Split(Regex(_WRITTEN_WITHOUT_SPACES), "isolated")
    return pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), ideographs])


def word_offsets(text: str) -> Offsets:
    """The words of a text: between white space, each sign of punctuation for itself, and each
    ideograph and kana too.

    >>> text = "U.S. 在北京"
    >>> [text[start:end] for start, end in word_offsets(text)]
    ['U', '.', 'S', '.', '在', '北', '京']
    """
    return tuple(place for _, place in _splitter().pre_tokenize_str(text))


def joined(words: Sequence[str]) -> tuple[str, Offsets]:
    """Words as a text: blanks between them, but not between words of Chinese or Japanese.

    >>> joined(["我", "用", "GPU", "2"])
    ('我用 GPU 2', ((0, 1), (1, 2), (3, 6), (7, 8)))
    """
    text = ""
    offsets = []
    for word in words:
        if text and word and not (is_wide(text[-1]) and is_wide(word[0])):
            text += " "
        offsets.append((len(text), len(text) + len(word)))
        text += word
    return text, tuple(offsets)


def is_wide(letter: str) -> bool:
    """Whether a character is written without spaces around it."""
    return any(first <= ord(letter) <= last for first, last in _WIDE)


def spans_in(value: Any, column: str, keys: tuple[str, str, str], text: str) -> list[Span]:
    """The marked places of a row, checked, without white space at their borders.

    Args:
        value: a list of objects with start, end and label, under these `keys`.

    Raises:
        RowRefused: it is something else, or a place is not in the text.
    """
    if not isinstance(value, list):
        raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected a list of spans")
    found = []
    for number, span in enumerate(value, 1):
        where = f"span {number} of column {column!r}"
        if not isinstance(span, dict) or not all(key in span for key in keys):
            raise RowRefused(f"{where} is no object with {', '.join(keys)}")
        start, end, label = (span[key] for key in keys)
        if not all(
            isinstance(place, int) and not isinstance(place, bool) for place in (start, end)
        ):
            raise RowRefused(f"{where}: {keys[0]} and {keys[1]} must be whole numbers")
        if not isinstance(label, str) or not label.strip():
            raise RowRefused(f"{where}: {keys[2]} holds {kind_of(label)}; expected text")
        if not 0 <= start < end <= len(text):
            raise RowRefused(
                f"{where} is from {start} to {end}, which is no place in {len(text)} characters"
            )
        marked = text[start:end]
        start += len(marked) - len(marked.lstrip())
        found.append(Span(start, start + len(marked.strip()), label.strip()))
    return found


def tags_of_spans(
    offsets: Offsets, spans: Sequence[Span]
) -> tuple[list[str], list[str], list[str]]:
    """Tags in IOB2 for marked places of a text.

    A place that begins or ends within a word takes the whole word; of places that share words the
    longest stays.

    Returns:
        the tags; what is said of places that are no whole words; and of those that overlap.

    >>> tags_of_spans(((0, 2), (3, 5)), [Span(3, 4, "LOC")])
    (['O', 'B-LOC'], ['LOC from 3 to 4 does not begin and end with a word'], [])
    """
    starts, ends = np.asarray(offsets).reshape(-1, 2).T
    taken = np.zeros(len(offsets), dtype=bool)
    entities, uneven, overlapping = [], [], []
    for span in sorted(spans, key=lambda one: (one.start - one.end, one.start)):
        said = f"{span.label} from {span.start} to {span.end}"
        first = int(np.searchsorted(ends, span.start, side="right"))
        end = int(np.searchsorted(starts, span.end, side="left"))
        if first >= end or (starts[first], ends[end - 1]) != (span.start, span.end):
            uneven.append(f"{said} does not begin and end with a word")
        if taken[first:end].any():
            overlapping.append(f"{said} shares words with a longer span")
        elif first < end:
            entities.append(Entity(first, end, span.label))
            taken[first:end] = True
    return write_tags(entities, len(offsets)), uneven, overlapping
