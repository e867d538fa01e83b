"""The usual metrics of text classification, by what a label is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmctl.metrics.base import Measured


def measure(
    kind: str, labels: Sequence[str] | None, predictions: Sequence[Any], references: Sequence[Any]
) -> list[Measured]:
    """
    Args:
        kind: single, multi or regression.
        labels: all labels of the model; of two, the second is the one that `f1` is of.
    """
    if kind == "regression":
        from llmctl.metrics.correlation import correlation

        return [correlation(predictions, references)]
    if kind == "multi":
        from llmctl.metrics.multi_label import multi_label

        return [multi_label(predictions, [list(labels) for labels in references], labels=labels)]
    from llmctl.metrics.classification import classification

    positive = labels[1] if labels is not None and len(labels) == 2 else None
    if positive is not None and positive not in {*predictions, *references}:
        positive = None  # a number that does not exist, where nobody has that label
    return [classification(predictions, references, positive=positive)]
