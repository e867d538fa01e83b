"""Sources and targets in tokens, cut to length: what an encoder reads and a decoder writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmctl.tasks.base import Arrays
from llmctl.tasks.text_ids import end_id, frame_of, plain_ids


@dataclass(frozen=True, slots=True)
class Side:
    """Ids of one text: a source or a target.

    Attributes:
        cut: it was too long.
        lost: nothing of its text is left.
    """

    ids: list[int]
    cut: bool
    lost: bool = False


def source_sides(tokenizer: Any, texts: Sequence[str], length: int) -> list[Side]:
    """Sources as the encoder reads them; what ends one (`</s>`) stays where a long one is cut.

    A tokenizer that puts nothing around texts (a bare SentencePiece file) gets T5's end of a
    source.
    """
    before, after = frame_of(tokenizer)
    if not before and not after:
        after = [end_id(tokenizer)]
    room = length - len(before) - len(after)
    return [
        Side([*before, *ids[:room], *after], len(ids) > room) for ids in plain_ids(tokenizer, texts)
    ]


def target_sides(
    tokenizer: Any, texts: Sequence[str], length: int, *, start_id: int | None
) -> list[Side]:
    """Targets, each with the token that ends it. One that is cut has no end: the model would learn
    to stop in the middle of a sentence.

    What the tokenizer puts before a text is learnt, too (`<s>` for BART), unless the decoder has
    just read it as `start_id`.
    """
    before, end = frame_of(tokenizer)[0], end_id(tokenizer)
    if before[:1] == [start_id]:
        before = before[1:]
    found = []
    for ids in plain_ids(tokenizer, texts):
        whole = [*before, *ids, end]
        lost = bool(ids) and length <= len(before)
        found.append(Side(whole[:length], len(whole) > length, lost))
    return found


def pair_arrays(source: Side, target: Side, start_id: int) -> Arrays:
    """What the model and the loss read of a pair; pieces tell tokens (0) from padding (-1).

    >>> arrays = pair_arrays(Side([5, 1], False), Side([8, 9, 1], False), start_id=0)
    >>> arrays["decoder_input_ids"].tolist(), arrays["labels"].tolist()
    ([0, 8, 9], [8, 9, 1])
    """
    return {
        "input_ids": np.array(source.ids, dtype=np.int64),
        "decoder_input_ids": np.array([start_id, *target.ids[:-1]], dtype=np.int64),
        "labels": np.array(target.ids, dtype=np.int64),
        "source_pieces": np.zeros(len(source.ids), dtype=np.int64),
        "target_pieces": np.zeros(len(target.ids), dtype=np.int64),
    }
