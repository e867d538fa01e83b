"""What all `evaluate` modules of `hf_modules` are: an entry of the table behind that interface."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate

from llmctl.metrics import METRICS

_TEXT = datasets.Value("string")


class EntryModule(evaluate.Metric):
    """A metric of the table, by its name.

    A number that does not exist is NaN here, for `evaluate` gives plain floats.
    """

    entry_name: ClassVar[str]

    def _info(self) -> evaluate.MetricInfo:
        entry = METRICS.get(self.entry_name)
        settings = "\n".join(
            f"    {name}: {field.description}"
            for name, field in entry.settings.model_fields.items()
        )
        return evaluate.MetricInfo(
            description=entry.description,
            citation="",
            inputs_description=f"\nSettings of {entry.name}:\n{settings}\n",
            features=self._features(),
        )

    def _features(self) -> list[datasets.Features]:
        """One text an example, and with it one reference or a list of them."""
        if not METRICS.get(self.entry_name).needs_references:
            return [datasets.Features({"predictions": _TEXT})]
        return [
            datasets.Features({"predictions": _TEXT, "references": references})
            for references in (datasets.Sequence(_TEXT), _TEXT)
        ]

    def _compute(
        self, predictions: Sequence[Any], references: Sequence[Any] = (), **settings: Any
    ) -> dict[str, float]:
        entry = METRICS.get(self.entry_name)
        measured = entry.measure(predictions, references, entry.settings(**settings))
        return {
            name: math.nan if value is None else value for name, value in measured.values().items()
        }
