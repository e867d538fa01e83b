"""Tiny finetuning runs: an encoder with random weights, and rows whose answers can be learnt."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders import make_encoder

from llmctl import files

RECIPE = """
schema: 1
command: finetune
model: {{path: {model}, dropout: 0.0}}
task: {task}
data: {{train: {rows}, validation: {held_out}}}
optimizer: {{name: adamw, learning_rate: 1e-3}}
schedule: {{name: constant, warmup_steps: 2}}
batch: {{rows: 8}}
budget: {{steps: 6}}
validation: {{every_steps: 3}}
checkpoints: {{every_steps: 3, reload_check: {reload}}}
compute: {{precision: float32}}
logging: {{every_steps: 1}}
"""
_SENTENCE = "the sea was calm and the old captain told a story about whales to his young crew"
_WORDS = _SENTENCE.split()


@dataclass(frozen=True)
class TaskCase:
    """A task, its settings, and a function that makes its rows."""

    name: str
    task: str
    rows: Callable[[Path, int, int], Path]

    def __str__(self) -> str:
        return self.name


def sentences(path: Path, count: int, seed: int, label: Callable[[str], Any]) -> Path:
    """Rows of three to twelve words and a label that follows from them."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(count):
            text = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(3, 12)))
            stream.write(json.dumps({"text": text, "label": label(text)}) + "\n")
    return path


def _one_label(path: Path, count: int, seed: int) -> Path:
    return sentences(path, count, seed, lambda text: "sea" if "sea" in text else "land")


def _several_labels(path: Path, count: int, seed: int) -> Path:
    found = {"sea": "water", "captain": "people", "crew": "people"}
    return sentences(
        path, count, seed, lambda text: sorted({v for k, v in found.items() if k in text})
    )


def _number(path: Path, count: int, seed: int) -> Path:
    return sentences(path, count, seed, lambda text: text.count(" ") / 10)


CASES = [
    TaskCase("classes", "{name: text-classification}", _one_label),
    TaskCase("labels", "{name: text-classification, kind: multi}", _several_labels),
    TaskCase("numbers", "{name: text-classification, kind: regression}", _number),
]


def write_recipe(folder: Path, case: TaskCase, kind: str = "bert", *, reload: bool = False) -> Path:
    """The recipe of a case with its model and rows beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"model-{kind}"
    if not model.exists():
        make_encoder(model, kind)
    path = folder / f"{case}.yaml"
    text = RECIPE.format(
        model=model, task=case.task, rows=case.rows(folder / f"{case}.jsonl", 60, 1),
        held_out=case.rows(folder / f"{case}-held-out.jsonl", 21, 2), reload=str(reload).lower(),
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path


def finetune(recipe: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    """Run it in this process; gives results.json."""
    from llmctl.cli.main import run

    code = run(["finetune", str(recipe), "-o", str(folder), "--quiet", *overrides])
    assert code == 0, code
    found: dict[str, Any] = files.read_json(folder / "results.json")
    return found


def straight_run(place: Path, case: TaskCase) -> Path:
    """The run folder of a case trained in one go; made once."""
    folder = place / f"{case}"
    if not (folder / "results.json").exists():
        finetune(write_recipe(place / "recipes", case, reload=True), folder)
    return folder


def losses(run: Path) -> list[float]:
    """The training loss of every step, then every validation loss."""
    lines = files.read_json_lines(run / "metrics.jsonl")
    return [line["loss"] for line in lines if "loss" in line] + [
        line["validation_loss"] for line in lines if "validation_loss" in line
    ]
