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


def _tags(path: Path, count: int, seed: int) -> Path:
    """Words with a tag for those of the sea and of people."""
    tags = {"sea": "B-SEA", "calm": "I-SEA", "captain": "B-PER", "crew": "B-PER"}
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(count):
            words = [chance.choice(_WORDS) for _ in range(chance.randint(3, 40))]
            row = {"tokens": words, "tags": [tags.get(word, "O") for word in words]}
            stream.write(json.dumps(row) + "\n")
    return path


def _answers(path: Path, count: int, seed: int) -> Path:
    """Contexts of one to three windows; the answer is the word after "the old"."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(count):
            before = " ".join(chance.choice(_WORDS) for _ in range(chance.randint(0, 60)))
            answer = chance.choice(["captain", "crew", "whales"])
            context = f"{before} the old {answer} told a story"
            start = context.rindex(answer)
            row = {
                "question": "the old?", "context": context,
                "answers": {"text": [answer], "answer_start": [start]},
            }  # fmt: skip
            stream.write(json.dumps(row) + "\n")
    return path


def _choices(path: Path, count: int, seed: int) -> Path:
    """Two to four choices; the right one is about the sea."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as stream:
        for _ in range(count):
            others = [chance.choice(["captain", "crew", "young"]) for _ in range(3)]
            choices = others[: chance.randint(1, 3)]
            place = chance.randint(0, len(choices))
            choices.insert(place, "the sea was calm")
            row = {"question": "the old story", "choices": choices, "label": place}
            stream.write(json.dumps(row) + "\n")
    return path


CASES = [
    TaskCase("classes", "{name: text-classification}", _one_label),
    TaskCase("labels", "{name: text-classification, kind: multi}", _several_labels),
    TaskCase("numbers", "{name: text-classification, kind: regression}", _number),
    TaskCase("tags", "{name: token-classification, max_length: 32, stride: 8}", _tags),
    TaskCase("answers", "{name: question-answering, max_length: 40, stride: 8}", _answers),
    TaskCase("choices", "{name: multiple-choice}", _choices),
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
