"""TensorBoard, Weights & Biases, trackio, MLflow: started through accelerate, when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from llmctl.errors import UsageError
from llmctl.training.processes import Processes


def check_trackers(names: Sequence[str]) -> None:
    """
    Raises:
        UsageError: a tracker's package is not installed; accelerate would leave it out unsaid.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"logging.trackers: {', '.join(missing)} is not installed",
            hint="pip install 'llmctl[trackers]'",
        )


def start_trackers(processes: Processes, project: str, config: dict[str, Any]) -> None:
    """Begin a run in every tracker, with the recipe's settings as `section.key`."""
    processes.accelerator.init_trackers(project, config=_flat(config))


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Trackers take numbers, truths and texts; anything else is written as text.

    >>> _flat({"seed": 1, "data": {"train": ["a"], "validation": None}})
    {'seed': 1, 'data.train': "['a']", 'data.validation': 'None'}
    """
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = (
                inner if isinstance(inner, bool | int | float | str) else str(inner)
            )
    return flat
