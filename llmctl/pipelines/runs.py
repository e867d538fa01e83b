"""`llmctl runs`: run folders as a table, and one of them in full."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.pipelines.run_summary import RunSummary

_BARS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 60
_SHOWN_METRICS = 12


def runs_table(runs: Sequence[RunSummary]) -> str:
    """One line a run."""
    columns = ["run", "status", "model", "parameters", "step", "best validation loss", "when"]
    rows = [
        [
            run.folder, run.status, run.model, run.parameters, _share_done(run),
            None if run.best_loss is None else f"{run.best_loss:.4f}",
            _minute(run.updated or run.created),
        ]
        for run in runs
    ]  # fmt: skip
    return console.table(columns, rows)


def run_text(run: RunSummary, *, curves: bool) -> str:
    """Everything useful about one run.

    Args:
        curves: draw the losses with block characters, for a terminal.
    """
    parts = [console.table([str(run.folder), ""], _facts(run))]
    if curves:
        drawn = [("training", run.losses), ("validation", run.validations)]
        parts += [curve(name, points) for name, points in drawn if len(points) > 1]
    measured = _measured(run.results)
    if measured:
        parts.append(console.table(["results.json", ""], measured))
    parts.append("next: " + next_command(run))
    return "\n\n".join(parts)


def next_command(run: RunSummary) -> str:
    """What to type now."""
    folder = shlex.quote(str(run.folder))
    if run.status == "finished":
        return f"llmctl predict {folder} --task generation --prompt '...'; llmctl eval {folder}"
    if run.is_alive:
        return f"tail -f {shlex.quote(str(run.folder / 'metrics.jsonl'))}"
    if run.status == "unreadable":
        return f"ls -l {folder}"
    if run.status == "diverged":
        return (
            f"llmctl pretrain {shlex.quote(str(run.folder / 'recipe.yaml'))} "
            f"optimizer.learning_rate=... -o ANOTHER, at a lower rate"
        )
    return f"{_same_command(run)}  (goes on where it stopped)"


def curve(name: str, points: Sequence[tuple[int, float]], width: int = _CURVE_WIDTH) -> str:
    """Losses over steps as one line of bars, each the mean of its steps.

    >>> print(curve("training", [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)], width=4))
    training  4.0000 █▆▃▁ 1.0000  (steps 1 to 4)
    """
    values = [value for _, value in points]
    count = min(width, len(values))
    edges = [len(values) * number // count for number in range(count + 1)]
    means = [math.fsum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(_BARS[round((mean - low) * scale)] for mean in means)
    steps = f"(steps {points[0][0]:,} to {points[-1][0]:,})"
    return f"{name}  {values[0]:.4f} {bars} {values[-1]:.4f}  {steps}"


def _facts(run: RunSummary) -> list[list[object]]:
    record = run.record
    facts: dict[str, object] = {
        "status": f"{run.status} ({run.reason})" if run.reason else run.status,
        "model": run.model,
        "parameters": run.parameters,
        "step": _share_done(run),
        "tokens": run.tokens,
        "epochs": run.epochs,
        "best validation loss": _best(run),
        "last training loss": f"{run.losses[-1][1]:.4f}" if run.losses else None,
        "training time": None if run.seconds is None else console.duration(run.seconds),
        "checkpoints": ", ".join(run.checkpoints[-4:]) or None,
        "auto chose": _pairs(record.get("auto")),
        "seed": record.get("seed"),
        "processes": record.get("num_processes"),
        "hardware": _hardware(record.get("hardware")),
        "versions": _pairs(record.get("versions")),
        "git commit": record.get("git_commit"),
        "data": _data(record.get("data")),
        "tokenizer": _inside(record, "tokenizer", "sha256"),
        "command": _same_command(run),
        "begun": _minute(run.created),
        "last written": _minute(run.updated),
        "id": record.get("id"),
    }
    return [[name, _as_text(value)] for name, value in facts.items() if value is not None]


def _as_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return console.number(value) if isinstance(value, float) else str(value)


def _share_done(run: RunSummary) -> str | None:
    if run.step is None:
        return None if run.steps is None else f"0 of {run.steps:,}"
    return f"{run.step:,} of {run.steps:,}" if run.steps else f"{run.step:,}"


def _best(run: RunSummary) -> str | None:
    if run.best_loss is None:
        return None
    perplexity = console.number(math.exp(min(run.best_loss, 700.0)))
    step = "" if run.best_step is None else f", at step {run.best_step:,}"
    epoch = "" if run.best_epoch is None else f", epoch {run.best_epoch:.2f}"
    return f"{run.best_loss:.4f} (perplexity {perplexity}{step}{epoch})"


def _measured(results: dict[str, Any]) -> list[list[object]]:
    """The plain numbers of results.json: a training run's or an evaluation's."""
    rows: list[list[object]] = []
    for group in (results.get("validation"), results.get("metrics")):
        for name, value in group.items() if isinstance(group, dict) else ():
            number = value.get("value") if isinstance(value, dict) else value
            if isinstance(number, int | float) and not isinstance(number, bool):
                rows.append([name.replace("_", " "), console.number(float(number))])
    return rows[:_SHOWN_METRICS]


def _same_command(run: RunSummary) -> str:
    """The command that began the run, or one that does the same where it is not recorded whole."""
    words = run.record.get("argv")
    if isinstance(words, list) and words and not any("[hidden]" in str(word) for word in words):
        if Path(str(words[0])).name in ("llmctl", "__main__.py"):
            words = words[1:]
        return "llmctl " + shlex.join(str(word) for word in words)
    recipe = shlex.quote(str(run.folder / "recipe.yaml"))
    return f"llmctl pretrain {recipe} -o {shlex.quote(str(run.folder))}"


def _hardware(hardware: object) -> str | None:
    if not isinstance(hardware, dict):
        return None
    gpus = hardware.get("gpus")
    parts = [
        hardware.get("host"),
        hardware.get("processor"),
        f"{hardware['threads']} threads" if "threads" in hardware else None,
        f"{hardware['memory_gib']} GiB" if "memory_gib" in hardware else None,
        ", ".join(map(str, gpus)) if isinstance(gpus, list) and gpus else None,
    ]
    return ", ".join(str(part) for part in parts if part) or None


def _data(data: object) -> str | None:
    if not isinstance(data, dict):
        return None
    parts = []
    for name in ("train", "validation"):
        part = data.get(name)
        if isinstance(part, dict) and isinstance(part.get("tokens"), int):
            parts.append(
                f"{name} {part['tokens']:,} tokens in {part.get('documents', '?')} documents"
            )
    return "; ".join(parts) or None


def _pairs(value: object) -> str | None:
    if not isinstance(value, dict) or not value:
        return None
    return ", ".join(f"{name} {item}" for name, item in value.items())


def _inside(record: dict[str, Any], *path: str) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _minute(when: str | None) -> str | None:
    """An ISO time without seconds: `2026-11-22 10:00`, in UTC as it is recorded."""
    return when[:16].replace("T", " ") if when else None
