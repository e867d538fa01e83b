"""Splits documents into training and validation by their content alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import xxhash

from llmctl.data.documents import Document

Split = Literal["train", "validation"]
SPLITS: tuple[Split, Split] = ("train", "validation")

_POSITIONS = 2**64


def content_position(text: str) -> int:
    """Where a text lies between 0 and 2**64: the same for the same text, everywhere and always."""
    return xxhash.xxh3_64_intdigest(text.encode(), seed=0)


def text_validates(text: str, fraction: float) -> bool:
    """Whether a text validates: its content decides, so copies of it stay together and a corpus
    that grows keeps its split."""
    return content_position(text) < fraction * _POSITIONS


def split_documents(
    documents: Iterable[Document], fraction: float
) -> Iterator[tuple[Split, Document]]:
    """Send every document to its side, in one pass.

    With two or more different texts neither side stays empty (unless `fraction` is 0): if all fall
    on one side, the text nearest to the border changes over with all its copies (if all would
    train, that of the lowest position). It is held back until a text of the other side comes.
    """
    held: list[Document] = []
    held_position = -1
    first_side: Split | None = None
    others, both = False, fraction <= 0
    for document in documents:
        position = content_position(document.text)
        side: Split = "validation" if text_validates(document.text, fraction) else "train"
        if both:
            yield side, document
            continue
        first_side = first_side or side
        if side != first_side:
            both = True
            yield from ((first_side, waiting) for waiting in held)
            yield side, document
            held = []
        elif not held or position == held_position:
            held.append(document)
            held_position = position
        else:
            others = True
            nearer = position < held_position if side == "train" else position > held_position
            released = held if nearer else [document]
            if nearer:
                held, held_position = [document], position
            yield from ((side, waiting) for waiting in released)
    # All of one side: the held text changes over. A text that is the only one trains.
    moved: Split = "validation" if others and first_side == "train" else "train"
    yield from ((moved, waiting) for waiting in held)
