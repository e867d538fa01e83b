"""Which block each global training row reads: a pure function of the seed and the row's number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmctl.randomness import derive_seed, keyed_permutation


def block_order(seed: int, positions: NDArray[np.int64], num_blocks: int) -> NDArray[np.int64]:
    """The block that every global row reads; each epoch visits every block once, in its own order.

    Row k lies in epoch k // num_blocks. O(1) time and memory for each row, at any position.

    Args:
        positions: global row numbers from 0, [B]; they may lie in different epochs.

    >>> sorted(block_order(1, np.arange(3), 3).tolist())
    [0, 1, 2]
    """
    epochs, index = np.divmod(np.asarray(positions, dtype=np.int64), num_blocks)
    blocks = np.empty_like(index)
    for epoch in np.unique(epochs):
        rows = epochs == epoch
        key = derive_seed(seed, "order", int(epoch))
        blocks[rows] = keyed_permutation(index[rows], num_blocks, key)
    return blocks
