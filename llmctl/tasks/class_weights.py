"""What each class counts in the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from llmctl.errors import DataError
from llmctl.registry import nearest

ClassWeights = Literal["balanced"] | dict[str, float]


def weights_of(
    wanted: ClassWeights | None, labels: Sequence[str], counts: Mapping[str, int]
) -> list[float] | None:
    """A weight for each label. Balanced: targets / (labels × targets of the label), so that all
    labels count alike; 0 where there are none.

    Raises:
        DataError: one is named that is no label.

    >>> weights_of("balanced", ["O", "B-LOC"], {"O": 9, "B-LOC": 1})
    [0.5555555555555556, 5.0]
    """
    if wanted is None:
        return None
    if wanted == "balanced":
        total = sum(counts.values())
        return [
            total / (len(labels) * counts[label]) if counts.get(label) else 0.0 for label in labels
        ]
    for name in wanted:
        if name not in labels:
            close = nearest(name, list(labels))
            raise DataError(
                f"task.class_weights names {name!r}, which is no label",
                hint=f"did you mean {close!r}?" if close else f"labels are {', '.join(labels)}",
            )
    return [wanted.get(label, 1.0) for label in labels]
