"""Saving a run and finding where to go on: what a checkpoint holds, which one is good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.errors import CheckpointError, SettingsMismatch
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.training_parts import Parts
from llmctl.training import checkpoints, tensors
from llmctl.training.processes import Processes
from llmctl.training.settings import CheckpointSettings, Constant, WarmupStableDecay
from llmctl.training.state import TrainState

FOLDER = "checkpoints"
_STATE = "state.json"


class Saver:
    """Writes checkpoints of one run, on rank 0; the others wait until the folder has its name,
    and fail with it when it cannot be written."""

    def __init__(
        self, folder: Path, parts: Parts, settings: CheckpointSettings, record: RunRecord
    ) -> None:
        self._folder, self._parts = folder, parts
        self._settings, self._record = settings, record

    def save(self, state: TrainState) -> None:
        self._parts.trainable.processes.on_main(lambda: self._save(state))

    def _save(self, state: TrainState) -> None:
        place = self._folder / FOLDER
        checkpoints.commit(place, state.step, lambda folder: self._write(folder, state))
        checkpoints.remove_later(place, state.step)
        with files.storage_errors(self._folder):
            files.replace_link(
                self._folder / "last", f"{FOLDER}/{checkpoints.folder_name(state.step)}"
            )
            kept = {state.best_step} if state.best_step is not None else set()
            if state.best_step is not None:
                best = checkpoints.folder_name(state.best_step)
                files.replace_link(self._folder / "best", f"{FOLDER}/{best}")
        if state.decay_from is not None:
            kept |= self._last_before(state.decay_from)
        checkpoints.prune(place, self._settings.keep, kept)
        self._record.update(progress=_progress(state))

    def _last_before(self, step: int) -> set[int]:
        """A prolonged wsd run goes on from where its decay began, so that place is kept."""
        found = checkpoints.list_checkpoints(self._folder / FOLDER)
        return {max((c.step for c in found if c.step <= step), default=0)}

    def _write(self, folder: Path, state: TrainState) -> None:
        parts = self._parts
        parts.weights.save(folder)
        numbers = tensors.save_optimizers(
            parts.trainable.optimizers, parts.model, folder / "optimizer.safetensors"
        )
        content = {"state": state.to_json(), "optimizer_numbers": numbers}
        files.write_json(folder / _STATE, content)


def find_start(folder: Path, parts: Parts, processes: Processes) -> TrainState:
    """The newest good checkpoint's state, its tensors loaded; or a fresh state.

    A damaged checkpoint is moved to `checkpoints/damaged/` and the one before it is used.

    Raises:
        CheckpointError: there are checkpoints, and none is good.
        SettingsMismatch: the budget has changed and the schedule does not allow it.
    """
    place = folder / FOLDER

    def clean_and_choose() -> int | None:
        files.remove_temporaries(folder)
        files.remove_temporaries(place)
        return _newest_good(place, before=None)

    step = processes.from_main(processes.on_main(clean_and_choose))
    if step is None:
        return _with_budget(TrainState(), parts)
    state = _read_state(place, step)
    rewound = _rewind_to(state, parts, folder)
    if rewound is not None:
        before = rewound
        step = processes.from_main(processes.on_main(lambda: _newest_good(place, before=before)))
        if step is None:
            raise SettingsMismatch(
                f"{folder} cannot be prolonged: no checkpoint from before its decay is left",
                hint=f"model.path={folder} -o ANOTHER_FOLDER",
            )
        state = _read_state(place, step)
    state = _with_budget(state, parts)
    if state.finished is None:
        _load_tensors(place / checkpoints.folder_name(step), parts)
        console.note(f"going on from step {state.step:,}")
    return state


def load_best(folder: Path, parts: Parts, state: TrainState, export: str) -> int:
    """Put the weights that become `model/` into the model; gives their step.

    Raises:
        CheckpointError: they are not what was saved.
    """
    step = state.step
    if export == "best" and state.best_step is not None:
        step = state.best_step
    place = folder / FOLDER / checkpoints.folder_name(step)
    problem = checkpoints.verify(checkpoints.Checkpoint(step, place))
    if problem is not None:
        raise CheckpointError(
            f"{place}, which was to become the model, is damaged: {problem}",
            hint="checkpoints.export=last" if step != state.step else None,
        )
    parts.weights.load(place)
    return step


def _newest_good(place: Path, *, before: int | None) -> int | None:
    found = checkpoints.list_checkpoints(place)
    candidates = [c for c in found if before is None or c.step <= before]
    damaged: list[tuple[checkpoints.Checkpoint, str]] = []
    for checkpoint in reversed(candidates):
        problem = checkpoints.verify(checkpoint)
        if problem is None:
            # Only now: with none left in sight, the next command would begin again unasked.
            for bad, reason in damaged:
                moved = checkpoints.set_aside(bad)
                console.warn(f"{bad.folder} is damaged ({reason}); moved to {moved}")
            return checkpoint.step
        damaged.append((checkpoint, problem))
    if damaged:
        raise CheckpointError(
            f"{place}: none of {len(damaged)} checkpoints is good "
            f"(step {damaged[0][0].step:,}: {damaged[0][1]})",
            hint="--fresh begins again; the old run is kept aside",
        )
    return None


def _read_state(place: Path, step: int) -> TrainState:
    content = files.read_json(place / checkpoints.folder_name(step) / _STATE)
    state = TrainState.from_json(content["state"])
    best = state.best_step
    if best is not None and not (place / checkpoints.folder_name(best)).exists():
        # Going back past a later best: the earlier one was pruned, so the next one found counts.
        state.best_rank = state.best_loss = state.best_step = None
    return state


def _load_tensors(folder: Path, parts: Parts) -> None:
    numbers: dict[str, Any] = files.read_json(folder / _STATE)["optimizer_numbers"]
    parts.weights.load(folder)
    tensors.load_optimizers(
        parts.trainable.optimizers, parts.model, folder / "optimizer.safetensors", numbers
    )


def _rewind_to(state: TrainState, parts: Parts, folder: Path) -> int | None:
    """Where a run must go back to under a changed budget; none to go on from where it is."""
    plan = parts.plan
    same = (
        plan.total_steps == state.total_steps if plan.hours is None else plan.hours == state.hours
    )
    if state.total_steps is None or same:
        return None
    if state.finished == "patience" or isinstance(parts.schedule, Constant):
        return None
    if not isinstance(parts.schedule, WarmupStableDecay):
        raise SettingsMismatch(
            f"the run's {parts.schedule.name} schedule was laid out for {state.total_steps:,} "
            f"steps, and the budget now asks for {plan.total_steps or plan.hours:,}",
            hint=f"the old budget; or go on from its weights: model.path={folder} -o ANOTHER",
        )
    starts = [start for start in (state.decay_from, plan.decay_from) if start is not None]
    return min(starts) if state.step > min(starts) else None


def _with_budget(state: TrainState, parts: Parts) -> TrainState:
    """Give the state this command's budget; a run that had reached a smaller one is open again."""
    plan = parts.plan
    if state.finished == "patience":
        return state
    if plan.total_steps is not None:
        state.total_steps, state.decay_from = plan.total_steps, plan.decay_from
        state.finished = "budget" if state.step >= plan.total_steps else None
    elif plan.hours != state.hours:
        state.total_steps = state.decay_from = state.finished = None
    return state


def _progress(state: TrainState) -> dict[str, Any]:
    return {
        "step": state.step,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 1),
        "best_validation_loss": state.best_loss,
        "best_step": state.best_step,
        "finished": state.finished,
    }
