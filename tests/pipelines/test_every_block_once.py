"""However many processes share a run, an epoch reads every block exactly once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llmctl.data.order import block_order
from llmctl.training.batches import StepBatches
from llmctl.training.processes import Processes

BLOCKS = 48
ROWS_PER_STEP = 8


def blocks_read(rank: int, count: int, micro_batch_size: int) -> list[int]:
    """The blocks that one process reads in an epoch, through the real step batches."""
    accelerator: Any = SimpleNamespace(process_index=rank, num_processes=count)
    read: list[int] = []

    def make_batch(rows: Any) -> Any:
        return SimpleNamespace(blocks=block_order(7, rows, BLOCKS).tolist())

    batches = StepBatches(
        make_batch,
        rows_per_step=ROWS_PER_STEP,
        own_rows=Processes(accelerator).own_rows(ROWS_PER_STEP),
        micro_batch_size=micro_batch_size,
    )
    for step in range(BLOCKS // ROWS_PER_STEP):
        for micro in batches(step):
            read += micro.batch.blocks  # type: ignore[attr-defined]
    batches.close()
    return read


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("micro_batch_size", [1, 3, 8])
def test_every_block_is_read_once_in_an_epoch(count: int, micro_batch_size: int) -> None:
    read = [block for rank in range(count) for block in blocks_read(rank, count, micro_batch_size)]

    assert sorted(read) == list(range(BLOCKS))
    assert np.any(np.diff(read) < 0)  # and not in the order of the file
