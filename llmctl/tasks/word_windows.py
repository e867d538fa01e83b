"""Words → windows of tokens, each word read in the window where it has most context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.errors import UsageError
from llmctl.tasks.base import Arrays
from llmctl.tasks.encoding import TOKEN_TYPES
from llmctl.tasks.text_words import Offsets, joined

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens of a sentence, at most `max_length` of them.

    Attributes:
        sentence: its number.
        arrays: what the model reads, [L].
        word_of: the word of each token, [L]; -1 where it is none.
        words: those that are read in this window and in no other one, in their order.
        places: of each of them, where its first token stands.
    """

    sentence: int
    arrays: Arrays
    word_of: Ints
    words: Ints
    places: Ints


def word_windows(
    tokenizer: Any,
    sentences: Sequence[Sequence[str]],
    offsets: Sequence[Offsets | None],
    max_length: int,
    stride: int,
) -> list[Window]:
    """The windows of sentences, in their order.

    A sentence of more tokens than a window has several, which share `stride` tokens (fewer where
    that is over half a window). A word in more than one is read in the one that has all its tokens
    and, to the nearer border, the most others; the ends of a sentence are no borders.

    Args:
        offsets: of the words in their text, where they are of one; else blanks stand between words
            as in `joined`.

    Raises:
        UsageError: the tokenizer does not say which word a token is of.
    """
    check_fast(tokenizer)
    if not sentences:
        return []
    room = max_length - tokenizer.num_special_tokens_to_add(pair=False)
    overlap = min(stride, room // 2)
    found = tokenizer(
        _with_blanks(tokenizer, sentences, offsets), is_split_into_words=True, truncation=True,
        max_length=max_length, stride=overlap, return_overflowing_tokens=True,
        return_attention_mask=False, verbose=False,
    )  # fmt: skip
    names = [name for name in ("input_ids", TOKEN_TYPES) if name in found]
    sample = np.asarray(found["overflow_to_sample_mapping"])
    word_of = [
        np.array([-1 if word is None else word for word in found.word_ids(row)], dtype=np.int64)
        for row in range(len(sample))
    ]
    windows = []
    borders = np.flatnonzero(np.diff(sample, prepend=-1, append=len(sentences)))
    for first, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        homes = _homes(word_of[first:end], room - overlap)
        for row, (words, places) in zip(range(first, end), homes, strict=True):
            arrays = {name: np.asarray(found[name][row], dtype=np.int64) for name in names}
            windows.append(Window(int(sample[row]), arrays, word_of[row], words, places))
    return windows


def check_fast(tokenizer: Any) -> None:
    """
    Raises:
        UsageError: it is not one of the tokenizers library, which know the places of tokens.
    """
    if not tokenizer.is_fast:
        raise UsageError(
            f"{type(tokenizer).__name__} does not say where its tokens stand in a text; one with a "
            "tokenizer.json was expected"
        )


def _homes(word_of: Sequence[Ints], step: int) -> list[tuple[Ints, Ints]]:
    """For each window of a sentence the words that are read in it, and where they begin.

    Args:
        step: tokens from the beginning of a window to that of the next.
    """
    starts = [_starts(words) for words in word_of]
    if len(word_of) == 1:
        return [(word_of[0][starts[0]], starts[0])]
    rows = []
    for number, (words, begins) in enumerate(zip(word_of, starts, strict=True)):
        first, last = np.flatnonzero(words >= 0)[[0, -1]]
        ends = np.append(begins[1:], last + 1)
        left = begins - first + (0 if number else len(words))
        right = last + 1 - ends + (len(words) if number == len(word_of) - 1 else 0)
        place_in_sentence = number * step + begins - first
        rows.append([
            words[begins], place_in_sentence, begins - ends, -np.minimum(left, right),
            np.full(len(begins), number), begins,
        ])  # fmt: skip
    table = np.concatenate(rows, axis=1)
    # Of a word's windows, those with its first token; of these the ones with most of its tokens;
    # and of these the one with most context.
    words, *_, windows, places = table[:, np.lexsort(table[3::-1])]
    best = np.flatnonzero(np.diff(words, prepend=-1))
    return [
        (words[best[windows[best] == number]], places[best[windows[best] == number]])
        for number in range(len(word_of))
    ]


def _starts(words: Ints) -> Ints:
    """Where a word's first token stands, for every word."""
    return np.flatnonzero((words >= 0) & (np.diff(words, prepend=-1) != 0))


def _with_blanks(
    tokenizer: Any, sentences: Sequence[Sequence[str]], offsets: Sequence[Offsets | None]
) -> list[list[str]]:
    """The words as the tokenizer must be given them to make the tokens of the running text.

    Byte-level BPE keeps the blank before a word in its token, and would write words without one as
    if they stood at the beginning of a text.
    """
    if not _loses_blanks(tokenizer):
        return [list(words) for words in sentences]
    return [
        [
            f" {word}" if number and start > of[number - 1][1] else word
            for number, (word, (start, _)) in enumerate(zip(words, of, strict=True))
        ]
        for words, of in (
            (words, given if given is not None else joined(words)[1])
            for words, given in zip(sentences, offsets, strict=True)
        )
    ]


def _loses_blanks(tokenizer: Any) -> bool:
    """Whether words given apart become other tokens than in a text, unless each has its blank."""

    def ids(text: Any, *, apart: bool) -> list[int]:
        found: list[int] = tokenizer(
            text, is_split_into_words=apart, add_special_tokens=False
        )["input_ids"]  # fmt: skip
        return found

    running = ids("a a", apart=False)
    return ids(["a", "a"], apart=True) != running and ids(["a", " a"], apart=True) == running
