"""The order of training rows: a permutation an epoch, found at any position."""

from __future__ import annotations

import numpy as np

from llmctl.data.order import block_order


def test_every_epoch_reads_every_block_once_in_its_own_order() -> None:
    blocks = block_order(3, np.arange(300), 100)
    epochs = blocks.reshape(3, 100)
    assert all(sorted(epoch) == list(range(100)) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3


def test_a_row_is_the_same_alone_or_among_others() -> None:
    together = block_order(3, np.arange(250), 100)
    alone = [block_order(3, np.array([k]), 100)[0] for k in range(250)]
    assert together.tolist() == alone


def test_the_seed_decides_the_order() -> None:
    assert block_order(1, np.arange(50), 50).tolist() != block_order(2, np.arange(50), 50).tolist()


def test_a_position_far_away_is_found_at_once() -> None:
    assert 0 <= int(block_order(0, np.array([10**15]), 12_345)[0]) < 12_345


def test_the_order_does_not_change_between_versions() -> None:
    assert block_order(0, np.arange(8), 8).tolist() == [5, 2, 1, 6, 7, 4, 3, 0]
