"""Whether a metric's statistics give, for any choice of rows, what measuring those rows gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llmctl.metrics.base import Measured

Numbers = dict[str, float | None]


def assert_equal(found: Numbers, expected: Numbers) -> None:
    """To 1e-9: float64 sums in another order."""
    shared = {name: found[name] for name in expected}
    assert shared == {
        name: value if value is None else close(value) for name, value in expected.items()
    }


def close(value: float) -> Any:
    import pytest

    return pytest.approx(value, rel=1e-9, abs=1e-9)


def assert_resamples(
    measure: Callable[[list[Any], list[Any]], Measured],
    predictions: Sequence[Any],
    references: Sequence[Any],
    reference: Callable[[list[Any], list[Any]], Numbers],
    draws: int = 5,
) -> None:
    """All rows, and rows drawn with repeats, against a reference implementation on those rows."""
    measured = measure(list(predictions), list(references))
    generator = np.random.default_rng(0)
    size = len(predictions)
    choices = [np.arange(size), *(generator.integers(0, size, size) for _ in range(draws))]
    names = [number.name for number in measured.numbers]
    for rows in choices:
        expected = reference([predictions[row] for row in rows], [references[row] for row in rows])
        found = [None if np.isnan(value) else float(value) for value in measured.of(rows)]
        assert_equal(dict(zip(names, found, strict=True)), expected)
    for number, value in measured.values().items():
        bounds = next(one for one in measured.numbers if one.name == number)
        assert value is None or bounds.low <= value <= bounds.high
    if measured.from_sums is not None:
        sums = np.stack([measured.statistics[rows].sum(0) for rows in choices])
        assert np.array_equal(
            measured.from_sums(sums), [measured.of(rows) for rows in choices], equal_nan=True
        )
