"""Rows of words with tags: of CoNLL files, of lists of words, and of texts with marked places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import kind_of, text_in, value_in
from llmctl.tasks.text_words import Offsets, spans_in, tags_of_spans, word_offsets


@dataclass(frozen=True, slots=True)
class TaggedWords:
    """A sentence.

    Attributes:
        words: its N words.
        tags: one for each as the row has them; None where it has none.
        text, offsets: the text that the words are of, where the row has one, and their places.
        lines: of each word, where its file has one a line.
        uneven, overlapping: what is said of marked places that could not be kept as they are.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    text: str | None = None
    offsets: Offsets | None = None
    lines: tuple[int, ...] = ()
    uneven: tuple[str, ...] = ()
    overlapping: tuple[str, ...] = ()


def from_columns(
    row: Mapping[str, Any], token_column: int, tag_column: int | None, labelled: bool
) -> TaggedWords:
    """A sentence of a CoNLL file, see `llmctl.data.read_conll`; columns are counted from 1.

    Raises:
        RowRefused: it has no such column, or a word or tag is empty.

    >>> from_columns({"columns": [["Oslo", "!"], ["NNP", "."], ["B-LOC", "O"]]}, 1, None, True).tags
    ('B-LOC', 'O')
    """
    columns: Sequence[Sequence[str]] = row["columns"]
    lines = tuple(row.get("lines", ()))
    words = _column(columns, token_column, "token_column", lines)
    wanted = len(columns) if tag_column is None else tag_column
    if not labelled and (wanted > len(columns) or wanted == token_column):
        return TaggedWords(words, None, lines=lines)
    if wanted == token_column:
        raise RowRefused(f"column {wanted} alone is there; expected words and tags")
    return TaggedWords(words, _column(columns, wanted, "tag_column", lines), lines=lines)


def _column(
    columns: Sequence[Sequence[str]], number: int, setting: str, lines: Sequence[int]
) -> tuple[str, ...]:
    if number > len(columns):
        raise RowRefused(f"{len(columns)} columns; task.{setting} is {number}")
    words = tuple(columns[number - 1])
    if "" in words:
        empty = words.index("")
        where = f" in line {lines[empty]}" if lines else f" of word {empty + 1}"
        raise RowRefused(f"column {number}{where} is empty")
    return words


def from_lists(
    row: Mapping[str, Any],
    tokens: str,
    tags: str,
    names: Sequence[str] | None,
    labelled: bool,
) -> TaggedWords:
    """A row with a list of words and one of tags, which may be numbers of `names`.

    Raises:
        RowRefused: a column is no such list, or they are not as long.

    >>> from_lists({"tokens": ["Oslo"], "tags": [1]}, "tokens", "tags", ["O", "B-LOC"], True).tags
    ('B-LOC',)
    """
    words = _texts(value_in(row, tokens), tokens)
    if not words:
        raise RowRefused(f"column {tokens!r} is empty")
    if not labelled and row.get(tags) is None:
        return TaggedWords(words, None)
    given = value_in(row, tags)
    if isinstance(given, list) and any(isinstance(tag, int) for tag in given):
        given = [_name(tag, tags, names) for tag in given]
    found = _texts(given, tags)
    if len(found) != len(words):
        raise RowRefused(f"{len(words)} words in {tokens!r} and {len(found)} tags in {tags!r}")
    return TaggedWords(words, found)


def _texts(value: Any, column: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected a list of texts")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str) or not item:
            what = "an empty text" if item == "" else kind_of(item)
            raise RowRefused(f"item {number} of column {column!r} is {what}; expected text")
    return tuple(value)


def _name(tag: Any, column: str, names: Sequence[str] | None) -> Any:
    if isinstance(tag, bool) or not isinstance(tag, int):
        return tag
    if names is None:
        raise RowRefused(f"column {column!r} holds numbers; task.labels must say what they mean")
    if not 0 <= tag < len(names):
        raise RowRefused(f"column {column!r} holds {tag}; task.labels has {len(names)} labels")
    return names[tag]


def from_spans(
    row: Mapping[str, Any], text: str, spans: str, keys: tuple[str, str, str], labelled: bool
) -> TaggedWords:
    """A row with a text and a list of its marked places.

    Raises:
        RowRefused: a column is missing or holds something else; the text has no word.

    >>> row = {"text": "In Oslo.", "spans": [{"start": 3, "end": 7, "label": "LOC"}]}
    >>> found = from_spans(row, "text", "spans", ("start", "end", "label"), True)
    >>> found.words, found.tags
    (('In', 'Oslo', '.'), ('O', 'B-LOC', 'O'))
    """
    whole = text_in(row, text)
    offsets = word_offsets(whole)
    if not offsets:
        raise RowRefused(f"column {text!r} has no word")
    words = tuple(whole[start:end] for start, end in offsets)
    if not labelled and row.get(spans) is None:
        return TaggedWords(words, None, whole, offsets)
    found = spans_in(value_in(row, spans), spans, keys, whole)
    tags, uneven, overlapping = tags_of_spans(offsets, found)
    return TaggedWords(
        words, tuple(tags), whole, offsets, uneven=tuple(uneven), overlapping=tuple(overlapping)
    )
