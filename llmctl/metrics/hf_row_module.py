"""`evaluate` modules of metrics whose rows are labels, lists, numbers or objects.

`evaluate` keeps rows in tables of one fixed type, which would turn 1 into "1" and lists of
different things into errors. So a row travels as JSON, and the metric sees it as it was given.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

from llmctl.metrics.hf_module import EntryModule


class RowModule(EntryModule):
    """A metric of the table, by its name; rows may be whatever JSON can hold, or numpy values."""

    def add(self, *, prediction: Any = None, reference: Any = None, **others: Any) -> None:
        """One example."""
        super().add(prediction=_written(prediction), reference=_written(reference), **others)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **others: Any) -> None:
        """Examples, a prediction and a reference for each."""
        super().add_batch(
            predictions=[_written(row) for row in predictions],
            references=[_written(row) for row in references],
            **others,
        )

    def _features(self) -> list[datasets.Features]:
        text = datasets.Value("string")
        return [datasets.Features({"predictions": text, "references": text})]

    def _compute(
        self, predictions: Sequence[Any], references: Sequence[Any] = (), **settings: Any
    ) -> dict[str, float]:
        return super()._compute(
            [json.loads(row) for row in predictions],
            [json.loads(row) for row in references],
            **settings,
        )


def _written(row: Any) -> str:
    return json.dumps(row, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not a value that JSON can hold")
