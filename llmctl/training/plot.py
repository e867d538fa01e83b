"""loss.svg: the training and validation curves of a run, from its metrics.jsonl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmctl import files
from llmctl.training.tracking import METRICS


def draw_losses(folder: Path) -> Path | None:
    """Draw RUN/loss.svg; none when nothing was logged yet."""
    lines = files.read_json_lines(folder / METRICS)
    training = _points(lines, "loss")
    validation = _points(lines, "validation_loss")
    if not training and not validation:
        return None
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.add_subplot()
    if training:
        axes.plot(*zip(*training, strict=True), color="#8aa4c8", linewidth=1.2, label="training")
    if validation:
        axes.plot(
            *zip(*validation, strict=True), color="#c0392b", linewidth=1.8, marker="o",
            markersize=3, label="validation",
        )  # fmt: skip
        step, loss = min(validation, key=lambda point: point[1])
        axes.annotate(
            f"best {loss:.3f} at step {step:,}", (step, loss), xytext=(0, 24),
            textcoords="offset points", ha="right", color="#c0392b",
            arrowprops={"arrowstyle": "-", "color": "#c0392b"},
        )  # fmt: skip
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss (nats per token)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    path = folder / "loss.svg"
    temporary = folder / f"{files.TEMPORARY_PREFIX}loss.svg"
    with files.storage_errors(path):
        figure.savefig(temporary, format="svg", metadata={"Date": None})
        temporary.replace(path)
    return path


def _points(lines: list[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(line["step"], line[key]) for line in lines if line.get(key) is not None]
