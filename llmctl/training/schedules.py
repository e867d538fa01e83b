"""Learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from collections.abc import Callable

from llmctl.training.settings import Constant, Cosine, Linear, Schedule, WarmupStableDecay

_WARMUP_SHARE = 0.02
_WARMUP_STEPS = (10, 2000)
_WARMUP_WITHOUT_TOTAL = 100


def warmup_steps(schedule: Schedule, total_steps: int | None) -> int:
    """Steps of linear warm-up.

    >>> warmup_steps(Cosine(), 10_000), warmup_steps(Cosine(), 100), warmup_steps(Cosine(), 4)
    (200, 10, 4)
    """
    if schedule.warmup_steps is not None:
        return schedule.warmup_steps
    if total_steps is None:
        return _WARMUP_WITHOUT_TOTAL
    low, high = _WARMUP_STEPS
    return min(max(round(_WARMUP_SHARE * total_steps), low), high, total_steps)


def decay_start(schedule: Schedule, total_steps: int) -> int | None:
    """The step at which a wsd schedule leaves the peak rate; none for the others."""
    if isinstance(schedule, WarmupStableDecay):
        return total_steps - max(1, round(schedule.decay_share * total_steps))
    return None


def rate_factor(
    schedule: Schedule, step: int, total_steps: int | None, decay_from: int | None = None
) -> float:
    """The share of the peak learning rate that step number `step` (from 0) uses.

    Args:
        total_steps: the budget; none while a budget in hours has not come to its decay.
        decay_from: where a wsd schedule begins to fall.

    >>> [round(rate_factor(Linear(name="linear", warmup_steps=2), s, 6), 2) for s in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    warmup = warmup_steps(schedule, total_steps)
    if step < warmup:
        return (step + 1) / warmup
    if isinstance(schedule, Constant) or total_steps is None:
        return 1.0
    start = warmup if decay_from is None else max(decay_from, warmup)
    if step < start:
        return 1.0
    done = min(1.0, (step - start) / max(1, total_steps - start))
    shape = _SHAPES[type(schedule)]
    return schedule.final_share + (1.0 - schedule.final_share) * shape(done)


def _straight(done: float) -> float:
    return 1.0 - done


def _half_cosine(done: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * done))


_SHAPES: dict[type, Callable[[float], float]] = {
    Cosine: _half_cosine,
    Linear: _straight,
    WarmupStableDecay: _straight,
}
