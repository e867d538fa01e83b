"""Which pieces of documents each row of a corpus is filled with."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmctl.best_fit import best_fit
from llmctl.marks import SENTENCE_END

Int64Array = NDArray[np.int64]
Cut = Literal["tokens", "sentences", "documents", "never"]
ReadMarks = Callable[[int, int], NDArray[np.uint8]]
"""The marks of the tokens from one place of the corpus to before another."""

FEWEST = 4
"""Tokens of text that a cut leaves on either side: fewer are no context to predict from."""


@dataclass(frozen=True, eq=False)
class RunningIndex:
    """Rows that follow each other through the corpus, cut at their ends.

    No text is left out or read twice, so the beginning of a row is the end of the one before, and
    eight bytes a row are all there is to keep.

    Attributes:
        documents: where each document begins, and the end of the last; each ends in one token that
            is no text.
        starts: where each row begins, and the end of the last: [rows + 1].
    """

    documents: Int64Array
    starts: Int64Array

    def __len__(self) -> int:
        return len(self.starts) - 1

    def pieces(self, indices: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Of rows [B], all pieces [P] in order: the row's place in B, where they begin, their
        tokens of text."""
        starts, ends = self.starts[indices], self.starts[indices + 1]
        first = np.searchsorted(self.documents, starts, side="right") - 1
        last = np.searchsorted(self.documents, ends - 1, side="right") - 1
        rows, number = count_up(last - first + 1)
        document = first[rows] + number
        begins = np.maximum(self.documents[document], starts[rows])
        return rows, begins, np.minimum(self.documents[document + 1] - 1, ends[rows]) - begins


@dataclass(frozen=True, eq=False)
class ListedIndex:
    """Rows as lists of pieces.

    Attributes:
        begins, sizes: where each piece begins and its tokens of text, by row: [pieces].
        bounds: the first piece of each row, and the end of the last: [rows + 1].
    """

    begins: Int64Array
    sizes: NDArray[np.int32]
    bounds: Int64Array

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def pieces(self, indices: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
        """See `RunningIndex.pieces`."""
        rows, number = count_up(self.bounds[indices + 1] - self.bounds[indices])
        listed = self.bounds[indices][rows] + number
        return rows, self.begins[listed], self.sizes[listed].astype(np.int64)


def count_up(counts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """For rows of so many pieces: the row of each piece and its number within it.

    >>> [values.tolist() for values in count_up(np.array([2, 1]))]
    [[0, 0, 1], [0, 1, 0]]
    """
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def build_index(
    documents: Int64Array,
    read_marks: ReadMarks | None,
    *,
    length: int,
    overhead: int,
    cut: Cut,
    alone: bool,
) -> RunningIndex | ListedIndex:
    """Fill rows of `length` tokens with the text of documents; a pure function of the corpus.

    Args:
        documents: as in `RunningIndex`.
        read_marks: needed to cut between sentences.
        overhead: special tokens around each piece.

    Documents of 5, 9 and 2 tokens of text, in rows of 8 without special tokens:

    >>> ends = np.array([0, 6, 16, 19])
    >>> build_index(ends, None, length=8, overhead=0, cut="tokens", alone=True).sizes.tolist()
    [5, 5, 4, 2]
    >>> index = build_index(ends, None, length=8, overhead=0, cut="documents", alone=False)
    >>> index.sizes.tolist(), index.bounds.tolist()
    ([5, 5, 2, 4], [0, 1, 3, 4])
    """
    filler = _Filler(documents, read_marks, length, overhead, cut)
    if not alone and cut in ("tokens", "sentences"):
        return RunningIndex(documents, np.append(filler.running(), documents[-1]))
    begins, sizes = filler.pieces()
    bounds = np.arange(len(begins) + 1)
    if not alone:
        order, bounds = best_fit(sizes + overhead, length)
        begins, sizes = begins[order], sizes[order]
    return ListedIndex(begins, sizes.astype(np.int32), bounds)


class _Filler:
    def __init__(
        self, documents: Int64Array, read_marks: ReadMarks | None, length: int, overhead: int,
        cut: Cut,
    ) -> None:  # fmt: skip
        self.documents, self.read_marks = documents, read_marks
        self.length, self.overhead, self.cut = length, overhead, cut
        self.longest = length - overhead
        self.fewest = min(FEWEST, max(1, self.longest // 2))

    def pieces(self) -> tuple[Int64Array, Int64Array]:
        """Where each piece begins and its tokens of text, if every document has rows of its own;
        only the long ones take a look at each."""
        sizes = np.diff(self.documents) - 1
        starts, ends = self.documents[:-1], self.documents[1:] - 1
        short = sizes <= self.longest
        if self.cut == "never":
            return starts[short], sizes[short]
        cuts = array("q")
        for number in np.flatnonzero(~short).tolist():
            begin, size = int(starts[number]), int(sizes[number])
            offset = 0
            while size - offset > self.longest:
                offset = self._inside(begin, offset, size, cuts)
                cuts.append(begin + offset)
        inner = np.frombuffer(cuts, dtype=np.int64)
        begins = np.sort(np.concatenate([starts, inner]))
        return begins, np.sort(np.concatenate([ends, inner])) - begins

    def running(self) -> Int64Array:
        """Where each row begins, if every row goes on where the one before ended."""
        # Tokens of row that the documents before each one take, if all are whole.
        taken = self.documents + np.arange(len(self.documents)) * (self.overhead - 1)
        before, begins = taken.data, self.documents.data  # plain numbers, one at a time
        count, most = len(taken) - 1, self.length // (self.overhead + 1) + 2
        starts = array("q")
        document, offset = 0, 0
        while True:
            starts.append(begins[document] + offset)
            end = before[document] + offset + self.length
            first = document
            # The first document that is not whole in this row.
            document = bisect_right(before, end, first, min(first + most, count + 1)) - 1
            if document == count:
                return np.frombuffer(starts, dtype=np.int64)
            size = begins[document + 1] - begins[document] - 1
            if document == first:
                offset = self._inside(begins[document], offset, size, starts)
            else:
                room = end - before[document] - self.overhead
                offset = self._at_end(begins[document], size, room)

    def _inside(self, begin: int, offset: int, size: int, starts: array[int]) -> int:
        """Where a row that lies within one document ends; rows that do before it are added."""
        if self.cut == "sentences":
            limit = min(self.longest, size - offset - self.fewest)
            return offset + (self._last_sentence(begin + offset, limit) or limit)
        rows = -(-(size - offset) // self.longest)
        last = offset + (rows - 1) * self.longest
        starts.extend(range(begin + offset + self.longest, begin + last, self.longest))
        return min(last, size - self.fewest)

    def _at_end(self, begin: int, size: int, room: int) -> int:
        """How much of a document the place at the end of a row takes."""
        limit = min(room, size - self.fewest)
        if limit < self.fewest:
            return 0
        return self._last_sentence(begin, limit) if self.cut == "sentences" else limit

    def _last_sentence(self, begin: int, limit: int) -> int:
        """Tokens up to the last end of a sentence within `limit`; 0 if they would be too few."""
        assert self.read_marks is not None
        ends = np.flatnonzero(self.read_marks(begin, begin + limit) & SENTENCE_END)
        return int(ends[-1]) + 1 if len(ends) and ends[-1] + 1 >= self.fewest else 0
