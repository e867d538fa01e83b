"""Arrays of different lengths → one array, filled up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def stacked(rows: Sequence[NDArray[Any]], fill: int, fixed: bool) -> NDArray[Any]:
    """Rows of any lengths along their last axis, filled up on the right; unless they are `fixed`.

    >>> stacked([np.array([1, 2]), np.array([3])], fill=0, fixed=False).tolist()
    [[1, 2], [3, 0]]
    """
    first = rows[0]
    if first.ndim == 0 or fixed:
        return np.stack(rows)
    longest = max(row.shape[-1] for row in rows)
    stacked = np.full((len(rows), *first.shape[:-1], longest), fill, dtype=first.dtype)
    for place, row in zip(stacked, rows, strict=True):
        place[..., : row.shape[-1]] = row
    return stacked
