"""The one training loop: until the budget is spent or validation stops improving, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from llmctl.errors import Diverged, Stopped
from llmctl.training.batches import StepBatches
from llmctl.training.schedules import rate_factor
from llmctl.training.settings import Schedule, WarmupStableDecay
from llmctl.training.signals import StopRequest
from llmctl.training.state import Plan, TrainState
from llmctl.training.step import StepResult, Trainable, optimizer_step
from llmctl.training.tracking import Recorder
from llmctl.training.validation import Validation, validate


@dataclass(frozen=True)
class Attempt:
    """Everything one start of a run works with. What changes is in TrainState."""

    trainable: Trainable
    plan: Plan
    schedule: Schedule
    batches: StepBatches
    validation: Validation | None
    recorder: Recorder
    save: Callable[[TrainState], None]
    stop: StopRequest


def train(attempt: Attempt, state: TrainState) -> TrainState:
    """Train until finished; `state` is updated in place and saved along the way.

    Raises:
        Stopped: a signal asked for it; the last finished step is saved.
        Diverged: the loss or the gradient is no longer finite; nothing of it is saved.
    """
    plan = attempt.plan
    saved = time.monotonic()
    while state.finished is None:
        started = time.monotonic()
        factor = rate_factor(attempt.schedule, state.step, state.total_steps, state.decay_from)
        result = optimizer_step(attempt.trainable, attempt.batches(state.step), state.step, factor)
        state.step += 1
        attempt.recorder.add(result)

        stopping, overdue = _agree_on_time(attempt, state, started - saved)
        _finish_when_spent(state)
        if _due(plan.log_every, state) or stopping:
            attempt.recorder.log(state, result)  # on a GPU this waits for all steps since the last
        state.seconds += time.monotonic() - started
        better = _due(plan.validation_every, state) and _validate(attempt, state, result)
        if better or stopping or overdue or _due(plan.checkpoint_every, state):
            _check_finite(attempt, state, result, now=True)
            attempt.recorder.collect(state)
            attempt.save(state)
            saved = time.monotonic()
        else:
            _check_finite(attempt, state, result, now=_is_agreement_point(attempt, state))
        if stopping and state.finished is None:
            raise Stopped(
                f"stopped by {attempt.stop.signal_name or 'another process'} after step "
                f"{state.step:,}; everything is saved",
                hint="repeat the same command to go on",
            )
    return state


def _due(every: int, state: TrainState) -> bool:
    return state.step % every == 0 or state.finished is not None


def _validate(attempt: Attempt, state: TrainState, result: StepResult) -> bool:
    """Measure, record, and count towards patience; gives whether it is the best so far."""
    if attempt.validation is None:
        return False
    found = validate(attempt.trainable, attempt.validation)
    loss = found.loss
    if not math.isfinite(loss):
        attempt.recorder.validation(state, found, better=False)
        raise _diverged("validation loss", state, result)
    state.last_validation = loss
    better = state.best_rank is None or found.rank < state.best_rank
    if better:
        state.best_rank, state.best_loss, state.best_step = found.rank, loss, state.step
        state.best_parts, state.best_scores = found.parts, found.scores
        state.validations_without_better = 0
    else:
        state.validations_without_better += 1
        patience = attempt.plan.patience
        if patience is not None and state.validations_without_better >= patience:
            state.finished = state.finished or "patience"
    attempt.recorder.validation(state, found, better=better)
    return better


def _finish_when_spent(state: TrainState) -> None:
    if state.total_steps is not None and state.step >= state.total_steps:
        state.finished = "budget"


def _is_agreement_point(attempt: Attempt, state: TrainState) -> bool:
    """Whether processes exchange flags: always on a CPU, rarely on a GPU, where it costs a wait."""
    plan = attempt.plan
    on_cpu = attempt.trainable.processes.device.type == "cpu"
    return on_cpu or any(
        state.step % every == 0
        for every in (plan.log_every, plan.validation_every, plan.checkpoint_every)
    )


def _agree_on_time(
    attempt: Attempt, state: TrainState, seconds_since_save: float
) -> tuple[bool, bool]:
    """Whether any process was asked to stop, and whether a checkpoint is overdue.

    Times are by the main process' clock, a budget in hours too.
    """
    processes = attempt.trainable.processes
    if processes.count > 1 and not _is_agreement_point(attempt, state):
        return False, False
    limit = attempt.plan.checkpoint_seconds
    overdue = limit is not None and seconds_since_save > limit
    on_main = 1.0 if processes.is_main else 0.0
    asked, seconds, save = processes.sum(
        float(bool(attempt.stop)), on_main * state.seconds, on_main * overdue
    )
    if attempt.plan.hours is not None and state.total_steps is None:
        _follow_clock(attempt.schedule, state, seconds / 3600 / attempt.plan.hours)
        state.hours = attempt.plan.hours
    return asked > 0, save > 0


def _follow_clock(schedule: Schedule, state: TrainState, share_of_time: float) -> None:
    """Turn a budget in hours into one in steps when its decay, or its end, has come."""
    if isinstance(schedule, WarmupStableDecay):
        if share_of_time >= 1.0 - schedule.decay_share:
            steps = state.step * schedule.decay_share / (1.0 - schedule.decay_share)
            state.decay_from = state.step
            state.total_steps = state.step + max(1, round(steps))
    elif share_of_time >= 1.0:
        state.total_steps = state.step


def _check_finite(attempt: Attempt, state: TrainState, result: StepResult, *, now: bool) -> None:
    # The norm is that of the gradient summed over all processes: all of them see the same number.
    if now and not math.isfinite(float(result.gradient_norm)):
        attempt.recorder.log(state, result)
        raise _diverged("gradient", state, result)


def _diverged(what: str, state: TrainState, result: StepResult) -> Diverged:
    return Diverged(
        f"the {what} is no longer finite at step {state.step:,}; the last checkpoint is good",
        hint="a lower rate in a new run: optimizer.learning_rate="
        f"{result.learning_rate / 3:.2g} -o ANOTHER_FOLDER",
    )
