"""Which labelled row each training row reads, with rows of like length in one step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmctl.data.order import block_order
from llmctl.randomness import derive_seed, keyed_permutation

Int64Array = NDArray[np.int64]

_STEPS_SORTED_TOGETHER = 32
"""Steps whose rows are brought into order of length: enough that little is padded, few enough that
a step is not all of one kind."""


class LengthOrder:
    """An order of epochs, each of which visits every row once.

    An epoch is shuffled; within every so many steps its rows are sorted by length and dealt out to
    these steps, whose own order is shuffled again. A pure function of the seed and the place.

    Args:
        lengths: tokens of each row, [N].
        rows_per_step: rows that are padded to one length.

    >>> order = LengthOrder(np.array([9, 1, 8, 2]), rows_per_step=2, seed=1)
    >>> sorted(order(np.arange(4)).tolist())
    [0, 1, 2, 3]
    >>> sorted(sorted(step) for step in order(np.arange(4)).reshape(2, 2).tolist())
    [[0, 2], [1, 3]]
    """

    def __init__(self, lengths: Int64Array, rows_per_step: int, seed: int) -> None:
        self._lengths = np.asarray(lengths, dtype=np.int64)
        self._rows_per_step, self._seed = rows_per_step, seed
        self._epoch = lru_cache(maxsize=2)(self._sorted_epoch)

    def __call__(self, positions: Int64Array) -> Int64Array:
        """The rows at global places [B], counted from 0 over all epochs."""
        epochs, index = np.divmod(np.asarray(positions, dtype=np.int64), len(self._lengths))
        found = np.empty_like(index)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            found[here] = self._epoch(int(epoch))[index[here]]
        return found

    def _sorted_epoch(self, epoch: int) -> Int64Array:
        size, rows = len(self._lengths), self._rows_per_step
        order = block_order(self._seed, np.arange(size) + epoch * size, size)
        window = _STEPS_SORTED_TOGETHER * rows
        lead = -epoch * size % rows  # these complete the last step of the epoch before
        for start in range(lead, size, window):
            part = order[start : start + window]
            part = part[np.argsort(-self._lengths[part], kind="stable")]
            # Only whole steps change places: the last, shorter one stays last.
            whole = len(part) // rows
            key = derive_seed(self._seed, "steps", epoch, start)
            steps = keyed_permutation(np.arange(whole), whole, key) if whole else np.arange(0)
            shuffled = part[: whole * rows].reshape(whole, rows)[steps].ravel()
            order[start : start + window] = np.concatenate([shuffled, part[whole * rows :]])
        return order
