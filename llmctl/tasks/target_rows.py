"""Rows of tokens of which some are targets → features, one a row or several packed together.

ids      5 6 7 1      trained  - - x x        two answers of a conversation are marked alike
input    5 6 7        positions 1 2           where a target is predicted
labels                          7 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.best_fit import best_fit
from llmctl.tasks.base import Arrays, Decode, Feature
from llmctl.tasks.text_ids import end_id, frame_of, plain_ids

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

TARGET_MARKS = ("⟦", "⟧")
"""What stands around targets where a person looks at a row."""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """The tokens of an example, or of a piece of one.

    Attributes:
        example: its number within its part.
        ids: [L + 1], the first never a target, the last one always.
        trained: [L + 1] whether each is a target.
    """

    example: int
    ids: Int64Array
    trained: BoolArray

    def __len__(self) -> int:
        """Tokens that the model reads: all but the last."""
        return len(self.ids) - 1


def features_of(rows: Sequence[TargetRow], *, pack_to: int | None) -> list[Feature]:
    """A feature for each row, or as many rows in each as fit.

    Args:
        pack_to: tokens of a feature at most, and no row is longer; None: nothing is packed. Packed
            features have `pieces`, by which each row reads only itself.

    >>> rows = [TargetRow(n, np.array([5, 6, 7]), np.array([False, False, True])) for n in (0, 1)]
    >>> feature, = features_of(rows, pack_to=4)
    >>> {name: array.tolist() for name, array in feature.arrays.items()}
    {'input_ids': [5, 6, 5, 6], 'positions': [1, 3], 'labels': [7, 7], 'pieces': [0, 0, 1, 1]}
    """
    if not rows:
        return []
    if pack_to is None:
        return [Feature((row.example,), arrays, _count(arrays)) for row in rows
                for arrays in [_arrays([row])]]  # fmt: skip
    order, bounds = best_fit(np.array([len(row) for row in rows]), pack_to)
    features = []
    for places in np.split(order, bounds[1:-1]):
        together = [rows[place] for place in places.tolist()]
        arrays = _arrays(together)
        lengths = [len(row) for row in together]
        arrays["pieces"] = np.repeat(np.arange(len(together), dtype=np.int64), lengths)
        examples = tuple(dict.fromkeys(row.example for row in together))
        features.append(Feature(examples, arrays, _count(arrays)))
    return features


def _arrays(rows: Sequence[TargetRow]) -> Arrays:
    trained = np.concatenate([row.trained[1:] for row in rows])
    positions = np.flatnonzero(trained)
    following = np.concatenate([row.ids[1:] for row in rows])
    return {
        "input_ids": np.concatenate([row.ids[:-1] for row in rows]).astype(np.int64),
        "positions": positions,
        "labels": following[positions].astype(np.int64),
    }


def _count(arrays: Arrays) -> tuple[int]:
    return (len(arrays["labels"]),)


def windows(example: int, ids: Int64Array, length: int) -> list[TargetRow]:
    """A text of any length in rows of `length` tokens, each but its first token a target once.

    >>> [row.ids.tolist() for row in windows(0, np.array([5, 6, 7, 8, 9, 1]), 3)]
    [[5, 6, 7, 8], [8, 9, 1]]
    """
    starts = range(0, max(len(ids) - 1, 0), length)
    return [
        TargetRow(example, part, np.arange(len(part)) > 0)
        for part in (ids[start : start + length + 1] for start in starts)
    ]


def text_rows(texts: Mapping[int, str], tokenizer: Any, length: int) -> list[TargetRow]:
    """Own texts by the numbers of their examples: nothing is cut off, a long one goes on in the
    next row."""
    if not texts:
        return []
    beginning, end = frame_of(tokenizer)[0], end_id(tokenizer)
    ids_of_all = plain_ids(tokenizer, list(texts.values()))
    return [
        row
        for number, ids in zip(texts, ids_of_all, strict=True)
        for row in windows(number, np.array([*beginning, *ids, end], dtype=np.int64), length)
    ]


def marked_text(feature: Feature, decode: Decode) -> list[tuple[str, str]]:
    """What a feature reads, with ⟦ ⟧ around targets, and the targets alone; a line for each piece.

    The end of an answer stands within the marks: it is learnt, too.
    """
    arrays = feature.arrays
    ids, positions, labels = arrays["input_ids"], arrays["positions"], arrays["labels"]
    pieces = arrays.get("pieces", np.zeros_like(ids))
    shown = []
    for piece in range(int(pieces[-1]) + 1):
        inside = np.flatnonzero(pieces == piece)
        here = (positions >= inside[0]) & (positions <= inside[-1])
        of_piece = f" (piece {piece + 1} of {int(pieces[-1]) + 1})" if pieces[-1] else ""
        runs = _runs(positions[here] - inside[0], labels[here])
        texts = [decode(run.tolist()) for _, run in runs]
        shown += [
            (f"reads{of_piece}", _interleaved(ids[inside], runs, texts, decode)),
            (f"is trained on{of_piece}", "\n".join(texts)),
        ]
    return shown


def _runs(positions: Int64Array, labels: Int64Array) -> list[tuple[int, Int64Array]]:
    """Targets that follow each other: the place of the first of each run, and their ids."""
    breaks = np.flatnonzero(np.diff(positions) > 1) + 1
    starts = np.split(positions, breaks)
    return [
        (int(where[0]) + 1, run)
        for where, run in zip(starts, np.split(labels, breaks), strict=True)
        if len(run)
    ]


def _interleaved(
    ids: Int64Array, runs: Sequence[tuple[int, Int64Array]], texts: Sequence[str], decode: Decode
) -> str:
    opening, closing = TARGET_MARKS
    parts, done = [], 0
    for (start, run), text in zip(runs, texts, strict=True):
        parts += [decode(ids[done:start].tolist()), opening, text, closing]
        done = start + len(run)
    if done < len(ids):
        parts.append(decode(ids[done:].tolist()))
    return "".join(parts)
