"""Finetuning against transformers' Trainer: time, and accuracy on the same held-out rows.

For each seed both sides train the same encoder on the same rows for the same epochs, turn and turn
about: the Trainer with the settings of transformers' examples (run_glue: 3 epochs, rate 2e-5,
batches of 32 cut at 128 tokens; but padded to the longest of the batch, which is faster than the
example's own padding to 128), llmctl with its defaults. Times are of training alone, llmctl's
validations included. The difference in accuracy is by row, paired, over all seeds.

    python tests/benchmarks/finetuning.py MODEL TRAIN.jsonl HELD_OUT.jsonl --seeds 3

Rows are `{"text", "label"}`; labels are words.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.state import AcceleratorState
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from llmctl.cli.main import run as llmctl
from llmctl.files import read_json, read_json_lines


def theirs(
    model: str, train: list[dict[str, Any]], held_out: list[dict[str, Any]], seed: int,
    precision: str,
) -> tuple[float, np.ndarray]:  # fmt: skip
    """Seconds of training, and whether each held-out row is right."""
    labels = sorted({row["label"] for row in train})
    tokenizer = AutoTokenizer.from_pretrained(model)

    def encoded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**tokenizer(row["text"], truncation=True, max_length=128),
             "labels": labels.index(row["label"])}
            for row in rows
        ]  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_pretrained(model, num_labels=len(labels)),
            args=TrainingArguments(
                output_dir=folder, per_device_train_batch_size=32, learning_rate=2e-5,
                num_train_epochs=3, report_to=[], save_strategy="no", disable_tqdm=True,
                use_cpu=True, seed=seed, bf16=precision == "bf16", logging_steps=10_000,
            ),
            train_dataset=encoded(train),
            data_collator=DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        started = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - started
        found = trainer.predict(encoded(held_out)).predictions.argmax(1)
    return seconds, np.array(
        [labels[n] == row["label"] for n, row in zip(found, held_out, strict=True)]
    )


def ours(model: str, train: str, held_out: str, seed: int, folder: Path) -> tuple[float, Any]:
    recipe = folder / f"{seed}.yaml"
    recipe.write_text(
        f"schema: 1\ncommand: finetune\nseed: {seed}\nmodel: {{path: {model}}}\n"
        f"task: {{name: text-classification}}\n"
        f"data: {{train: {train}, validation: {held_out}}}\n"
        "checkpoints: {reload_check: false}\n",
        encoding="utf-8",
    )
    AcceleratorState._reset_state(reset_partial_state=True)  # the Trainer has set its own
    run = folder / f"run-{seed}"
    assert llmctl(["finetune", str(recipe), "-o", str(run), "--quiet"]) == 0
    lines = [line for line in read_json_lines(run / "metrics.jsonl") if "loss" in line]
    rows = read_json_lines(run / "predictions-validation.jsonl")
    seconds = read_json(run / "results.json")["seconds"]
    assert lines
    return seconds, np.array([row["prediction"] == row["label"] for row in rows])


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("model")
    words.add_argument("train")
    words.add_argument("held_out")
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    given = words.parse_args()
    train, held_out = (
        [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
        for path in (given.train, given.held_out)
    )
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, given.seeds + 1):
            their_time, their_right = theirs(given.model, train, held_out, seed, given.precision)
            our_time, our_right = ours(given.model, given.train, given.held_out, seed, Path(folder))
            differences.append(our_right.astype(float) - their_right)
            print(
                f"seed {seed}: Trainer {their_time:.0f} s, accuracy {their_right.mean():.4f}; "
                f"llmctl {our_time:.0f} s ({our_time / their_time:.2f}), "
                f"accuracy {our_right.mean():.4f}",
                flush=True,
            )
    by_row = np.mean(differences, axis=0)
    generator = np.random.default_rng(0)
    means = by_row[generator.integers(0, len(by_row), (10_000, len(by_row)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    print(f"difference {by_row.mean():+.4f}, 95 % interval {low:+.4f} to {high:+.4f}")


if __name__ == "__main__":
    main()
