"""What a run writes down: metrics.jsonl always, trackers when asked, and the live panel."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from llmctl import files
from llmctl.training.panel import Panel
from llmctl.training.processes import Processes
from llmctl.training.state import Plan, TrainState
from llmctl.training.step import StepResult

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
    _loss: torch.Tensor | None = field(default=None, init=False)
    _targets: torch.Tensor | None = field(default=None, init=False)
    _tokens: int = field(default=0, init=False)
    _last: float = field(default_factory=time.monotonic, init=False)

    def resume(self, state: TrainState) -> None:
        """Drop the lines written after the checkpoint, and go on from its sums."""
        if self.processes.is_main:
            truncate_metrics(self.folder / METRICS, state.step)
        else:
            state.window_loss = 0.0
        self.panel.begin(state)
        self._last = time.monotonic()

    def add(self, result: StepResult) -> None:
        self._loss = result.loss_sum if self._loss is None else self._loss + result.loss_sum
        counted = result.num_targets.double()
        self._targets = counted if self._targets is None else self._targets + counted

    def log(self, state: TrainState, result: StepResult) -> None:
        """One line: the mean loss over all target tokens since the last one."""
        self.collect(state)
        loss = state.window_loss / max(state.window_targets, 1)
        now = time.monotonic()
        rate = self._tokens / max(now - self._last, 1e-9)
        self._tokens, self._last = 0, now
        state.window_loss, state.window_targets = 0.0, 0
        self._write(
            {
                "step": state.step,
                "loss": loss,
                "learning_rate": result.learning_rate,
                "gradient_norm": float(result.gradient_norm),
                "tokens": state.tokens,
                "tokens_per_second": round(rate, 1),
                "mfu": round(rate * self.flops_per_token / self.peak_flops, 4),
                "epoch": self.epoch(state),
                "seconds": round(state.seconds, 3),
            },
            state,
        )

    def validation(self, state: TrainState, loss: float, *, better: bool) -> None:
        self.collect(state)  # the time until here is not counted below, so its tokens must not be
        self._write(
            {
                "step": state.step,
                "validation_loss": loss,
                "validation_perplexity": math.exp(min(loss, 700.0)),
                "best": better,
                "tokens": state.tokens,
                "epoch": self.epoch(state),
            },
            state,
        )
        self._last, self._tokens = time.monotonic(), 0

    def collect(self, state: TrainState) -> None:
        """Bring what is kept on the devices into the state; before logging and before saving."""
        own = float(self._loss) if self._loss is not None else 0.0
        targets = int(self._targets) if self._targets is not None else 0
        self._loss = self._targets = None
        total = self.processes.sum(own)[0]
        if self.processes.is_main:
            state.window_loss += total
        state.window_targets += targets
        state.tokens += targets
        self._tokens += targets

    def epoch(self, state: TrainState) -> float:
        return round(state.step * self.plan.rows_per_step / max(self.num_rows, 1), 4)

    def close(self) -> None:
        self.panel.end()

    def _write(self, line: dict[str, Any], state: TrainState) -> None:
        if self.processes.is_main:
            files.append_json_line(
                self.folder / METRICS, {k: _finite(value) for k, value in line.items()}
            )
            self.panel.show(line, state)
        if self.trackers:
            self.processes.accelerator.log(
                {k: v for k, v in line.items() if k != "step"}, step=state.step
            )


def truncate_metrics(path: Path, step: int) -> None:
    """Keep the lines up to a step, so that a curve has no part twice."""
    if path.exists():
        lines = [line for line in files.read_json_lines(path) if line.get("step", 0) <= step]
        import json

        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        files.write_text(path, text)


def _finite(value: Any) -> Any:
    """JSON has no NaN; a diverged loss is written as null, never left out."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
