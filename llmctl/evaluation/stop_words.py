"""Find stop words in growing text, also where they reach over the borders of tokens."""

from __future__ import annotations

from collections.abc import Sequence

_UNFINISHED_LETTER = "\ufffd"  # what a part of a letter's bytes decodes to


def find_stop(text: str, words: Sequence[str]) -> int | None:
    """Where the first stop word begins; None if there is none.

    >>> find_stop("One. Two.", [". T", "."]), find_stop("One", ["Two"])
    (3, None)
    """
    found = [place for word in words if (place := text.find(word)) >= 0]
    return min(found, default=None)


def settled_length(text: str, words: Sequence[str]) -> int:
    """How many letters can be shown already: no stop word that is still growing begins in them.

    >>> settled_length("Hello\\nUs", ["\\nUser:"]), settled_length("Hello", ["\\nUser:"])
    (5, 5)
    """
    text = text.rstrip(_UNFINISHED_LETTER)
    held = 0
    for word in words:
        for size in range(min(len(word) - 1, len(text)), held, -1):
            if text.endswith(word[:size]):
                held = size
                break
    return len(text) - held


def tail_tokens(words: Sequence[str]) -> int:
    """How many of the last tokens can hold a stop word that has just been completed.

    A token is a byte at least, so a word spans as many tokens as it has bytes; three more finish
    the letter that the first of them may begin within.
    """
    return max((len(word.encode("utf-8")) for word in words), default=0) + 3
