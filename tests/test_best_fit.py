"""Best fit: whole pieces in rows that are nearly full."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from llmctl.best_fit import best_fit


def rows_of(sizes: list[int], length: int) -> list[list[int]]:
    order, bounds = best_fit(np.array(sizes), length)
    return [part.tolist() for part in np.split(order, bounds[1:-1])]


def test_a_piece_goes_to_the_row_with_the_least_room_for_it() -> None:
    """By hand, longest first: 8 | 7 | 6 | 5; then 3 fits beside 7 exactly, 2 beside 8."""
    assert rows_of([5, 2, 7, 3, 8, 6], 10) == [[1, 4], [2, 3], [5], [0]]


def test_one_piece_a_row_where_none_fit_together() -> None:
    assert rows_of([6, 10, 7], 10) == [[1], [2], [0]]


@pytest.mark.parametrize("seed", range(3))
def test_every_piece_is_in_one_row_and_no_row_overflows(seed: int) -> None:
    chance = np.random.default_rng(seed)
    sizes = np.minimum(chance.lognormal(3, 1, 10_000).astype(np.int64) + 1, 128)
    order, bounds = best_fit(sizes, 128)
    assert sorted(order.tolist()) == list(range(10_000))
    filled = np.add.reduceat(sizes[order], bounds[:-1])
    assert filled.max() <= 128
    assert filled.mean() > 0.98 * 128
    for start, end in pairwise(bounds[:200].tolist()):
        row = order[start:end]
        assert (np.diff(row) > 0).all(), "in the order of the corpus"
        assert row.max() - row.min() < 4096, "neighbours"


def test_the_same_sizes_give_the_same_rows() -> None:
    sizes = np.random.default_rng(1).integers(1, 60, 5000)
    first, second = best_fit(sizes, 64), best_fit(sizes, 64)
    assert first[0].tolist() == second[0].tolist()
    assert first[1].tolist() == second[1].tolist()
