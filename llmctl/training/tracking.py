"""What a run writes down: metrics.jsonl always, trackers when asked, and the live panel."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from llmctl import files
from llmctl.training.panel import Panel
from llmctl.training.parts import LossParts
from llmctl.training.processes import Processes
from llmctl.training.state import Plan, TrainState
from llmctl.training.step import StepResult
from llmctl.training.validation import Validated

T = TypeVar("T", int, float)
METRICS = "metrics.jsonl"


@dataclass
class Recorder:
    """Collects losses on the device and writes a line per interval; it waits only then."""

    folder: Path
    processes: Processes
    plan: Plan
    num_rows: int
    """Rows of one epoch."""
    flops_per_token: float
    peak_flops: float
    """Of the whole group, measured."""
    panel: Panel
    trackers: bool = False
    parts: LossParts = field(default_factory=LossParts)
    source_epochs: Callable[[int], dict[str, float]] | None = None
    """Global row → how often each source of a mixture has been read by then."""
    _losses: torch.Tensor | None = field(default=None, init=False)
    _targets: torch.Tensor | None = field(default=None, init=False)
    _new_tokens: int = field(default=0, init=False)
    _tokens: int = field(default=0, init=False)
    _last: float = field(default_factory=time.monotonic, init=False)

    def resume(self, state: TrainState) -> None:
        """Drop the lines written after the checkpoint, and go on from its sums."""
        if self.processes.is_main:
            truncate_metrics(self.folder / METRICS, state.step)
        else:
            state.window_losses = []
        self.panel.begin(state)
        self._last = time.monotonic()

    def add(self, result: StepResult) -> None:
        sums, counted = result.loss_sums, result.num_targets.double()
        self._losses = sums if self._losses is None else self._losses + sums
        self._targets = counted if self._targets is None else self._targets + counted
        self._new_tokens += result.num_tokens

    def log(self, state: TrainState, result: StepResult) -> None:
        """One line: the mean loss over all targets since the last one."""
        self.collect(state)
        sums, targets = (
            state.window_losses or [0.0] * len(state.window_targets),
            state.window_targets,
        )
        losses = self._named(self.parts.means(sums, targets))
        now = time.monotonic()
        rate = self._tokens / max(now - self._last, 1e-9)
        self._tokens, self._last = 0, now
        state.window_losses, state.window_targets = [], []
        self._write(
            {
                "step": state.step,
                "loss": self.parts.total(sums, targets),
                **losses,
                "learning_rate": result.learning_rate,
                "gradient_norm": float(result.gradient_norm),
                "tokens": state.tokens,
                "tokens_per_second": round(rate, 1),
                "mfu": round(rate * self.flops_per_token / self.peak_flops, 4),
                "epoch": self.epoch(state),
                **self._epochs_of_sources(state),
                "seconds": round(state.seconds, 3),
            },
            state,
        )

    def validation(self, state: TrainState, found: Validated, *, better: bool) -> None:
        self.collect(state)  # the time until here is not counted below, so its tokens must not be
        self._write(
            {
                "step": state.step,
                "validation_loss": found.loss,
                **self._beside_loss(found),
                "best": better,
                "tokens": state.tokens,
                "epoch": self.epoch(state),
            },
            state,
        )
        self._last, self._tokens = time.monotonic(), 0

    def collect(self, state: TrainState) -> None:
        """Bring what is kept on the devices into the state; before logging and before saving."""
        none = [0.0] * len(self.parts.names)
        own = self._losses.tolist() if self._losses is not None else none
        targets = self._targets.tolist() if self._targets is not None else none
        *sums, tokens = self.processes.sum(*own, self._new_tokens)
        self._losses = self._targets = None
        self._new_tokens = 0
        if self.processes.is_main:
            state.window_losses = _added(state.window_losses, sums)
        state.window_targets = _added(state.window_targets, [int(count) for count in targets])
        state.tokens += int(tokens)
        self._tokens += int(tokens)

    def epoch(self, state: TrainState) -> float:
        return round(state.step * self.plan.rows_per_step / max(self.num_rows, 1), 4)

    def close(self) -> None:
        self.panel.end()

    def _beside_loss(self, found: Validated) -> dict[str, Any]:
        """What a validation says beside its loss: scores, parts of the loss, or the perplexity."""
        if found.scores:
            return {"scores": found.scores}
        if len(self.parts.names) == 1:
            return {"validation_perplexity": math.exp(min(found.loss, 700.0))}
        return self._named(found.parts, "validation_")

    def _named(self, means: dict[str, float], prefix: str = "") -> dict[str, Any]:
        """The parts of a loss for a line; a single one is the loss itself."""
        return {f"{prefix}losses": means} if len(self.parts.names) > 1 else {}

    def _epochs_of_sources(self, state: TrainState) -> dict[str, Any]:
        if self.source_epochs is None:
            return {}
        found = self.source_epochs(state.step * self.plan.rows_per_step)
        return {"epochs": found} if found else {}

    def _write(self, line: dict[str, Any], state: TrainState) -> None:
        if self.processes.is_main:
            files.append_json_line(
                self.folder / METRICS, {k: _finite(value) for k, value in line.items()}
            )
            self.panel.show(line, state)
        if self.trackers:
            self.processes.accelerator.log(_flat(line), step=state.step)


def truncate_metrics(path: Path, step: int) -> None:
    """Keep the lines up to a step, so that a curve has no part twice."""
    if path.exists():
        lines = [line for line in files.read_json_lines(path) if line.get("step", 0) <= step]
        import json

        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        files.write_text(path, text)


def _added(sums: list[T], more: list[T]) -> list[T]:
    return [a + b for a, b in zip(sums, more, strict=True)] if sums else more


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """Names of trackers: `losses/mlm` for a part of a loss."""
    flat: dict[str, Any] = {}
    for key, value in line.items():
        if isinstance(value, dict):
            flat |= {f"{key}/{name}": number for name, number in value.items()}
        elif key != "step":
            flat[key] = value
    return flat


def _finite(value: Any) -> Any:
    """JSON has no NaN; a diverged loss is written as null, never left out."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
