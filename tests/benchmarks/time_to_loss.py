"""Time to a validation loss: `llmctl pretrain` against transformers' Trainer, same rows and model.

For each seed the Trainer trains for so many minutes (training time alone: validation is not
counted) and is measured every so many seconds on the same held-out rows, with the same targets, as
our run; then our run is looked at for when it had reached the Trainer's best. On a quiet machine:

    llmctl data prepare TEXT... -o FOLDER
    python tests/benchmarks/time_to_loss.py bert FOLDER --minutes 10 --seeds 3
    python tests/benchmarks/time_to_loss.py t5 FOLDER --minutes 10 --seeds 3

BERT: the Trainer has DataCollatorForLanguageModeling. T5: a collator that corrupts example by
example, as the scripts in circulation do. Both get bfloat16, no dropout, no loader workers, and the
best of the learning rates tried on seed 0 for two minutes each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState
from transformers import (
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from llmctl.cli.main import run as llmctl
from llmctl.models import build
from llmctl.models.heads import wrap
from llmctl.objectives.base import joined
from llmctl.pipelines.corpus import Corpus, open_corpus
from llmctl.recipe.load import load_recipe
from llmctl.recipe.schema import PretrainRecipe
from llmctl.tokenization.load import load_tokenizer, vocabulary_of
from llmctl.training.memory import keep_freed_memory

RECIPES = {
    "bert": ("bert-tiny", "{name: masked_lm}", "masked"),
    "t5": ("t5-tiny", "{name: span_corruption, isolation: false}", "seq2seq"),
}
RATES = (5e-4, 1e-3, 2e-3)
ROWS, LENGTH = 32, 128


@dataclass
class Setting:
    """What both sides share: our run's folder gives tokenizer, packed rows and model shape."""

    kind: str
    recipe: PretrainRecipe
    folder: Path
    train: Corpus
    held_out: Corpus
    vocabulary: Any

    def batch(self, corpus: Corpus, numbers: np.ndarray) -> Any:
        rows = joined(corpus.held_out_rows(numbers))
        return self.recipe.objective.make_batch(rows, self.vocabulary, self.recipe.seed)

    def model(self, seed: int) -> Any:
        config = build.fresh_config(self.recipe.model, self.vocabulary)
        return build.fresh_model(config, seed, RECIPES[self.kind][2])

    @torch.no_grad()
    def validation_loss(self, model: Any) -> float:
        """Over the rows and targets that our run validates on. Documents that share a row are kept
        apart for our model only, which was trained so."""
        wrapped = wrap(model.eval(), RECIPES[self.kind][2]).eval()
        total, targets = 0.0, 0
        for start in range(0, min(256, len(self.held_out)), 32):
            numbers = np.arange(start, min(start + 32, len(self.held_out), 256))
            batch = self.batch(self.held_out, numbers)
            arrays = {k: torch.from_numpy(v) for k, v in batch.arrays.items()}
            if "pieces" in arrays:
                arrays["pieces"] = arrays["pieces"].clamp(max=0)  # one piece a row
            total += float(self.recipe.objective.loss(wrapped, arrays)[0])
            targets += batch.num_targets[0]
        model.train()
        return total / targets


def our_run(kind: str, text: str, folder: Path, seed: int, tokens: int) -> Path:
    preset, objective, _ = RECIPES[kind]
    recipe = folder.with_suffix(".yaml")
    recipe.write_text(
        f"schema: 1\ncommand: pretrain\nseed: {seed}\nmodel: {{preset: {preset}}}\n"
        f"tokenizer: {{vocabulary_size: 4096}}\ndata: {{train: {text}, block_length: {LENGTH}}}\n"
        f"objective: {objective}\noptimizer: {{name: muon, learning_rate: 1e-2}}\n"
        f"batch: {{rows: {ROWS}}}\nbudget: {{tokens: {tokens}}}\n"
        "validation: {max_rows: 256}\ncheckpoints: {reload_check: false}\n",
        encoding="utf-8",
    )
    AcceleratorState._reset_state(reset_partial_state=True)  # the Trainer has set its own precision
    assert llmctl(["pretrain", str(recipe), "-o", str(folder), "--quiet"]) == 0
    return recipe


def open_setting(kind: str, recipe_path: Path, folder: Path) -> Setting:
    recipe = load_recipe(str(recipe_path), [], PretrainRecipe)
    vocabulary = vocabulary_of(load_tokenizer(str(folder / "tokenizer")))

    def opened(part: str) -> Corpus:
        return open_corpus(
            {"text": folder / "data" / part}, recipe.objective, LENGTH, vocabulary, seed=recipe.seed
        )

    return Setting(kind, recipe, folder, opened("train"), opened("validation"), vocabulary)


class PerExampleCorruption:
    """Corrupts example by example with numpy, and pads."""

    def __init__(self, vocabulary: Any, seed: int) -> None:
        self.vocabulary, self.generator = vocabulary, np.random.default_rng(seed)

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        pairs = [self._corrupt(np.asarray(example["input_ids"])) for example in examples]
        sources, targets = zip(*pairs, strict=True)
        return {
            "input_ids": torch.from_numpy(np.stack(sources)),
            "labels": torch.from_numpy(np.stack(targets)),
        }

    def _corrupt(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from corruption import noise_mask

        mask, source, target = noise_mask(len(tokens), self.generator), [], []
        span = -1
        for place, token in enumerate(tokens.tolist()):
            if mask[place] and (place == 0 or not mask[place - 1]):
                span += 1
                sentinel = self.vocabulary.sentinel_ids[span]
                source.append(sentinel)
                target.append(sentinel)
            (target if mask[place] else source).append(token)
        eos = self.vocabulary.eos_id
        return np.array([*source, eos]), np.array([*target, eos])


class Clock(TrainerCallback):  # type: ignore[misc]
    """Stops after so many seconds of training; measures now and then, off the clock."""

    def __init__(self, setting: Setting, seconds: float, every: float) -> None:
        self.setting, self.limit, self.every = setting, seconds, every
        self.spent, self.next, self.steps = 0.0, every, 0
        self.curve: list[tuple[float, float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.spent += time.monotonic() - self.started
        self.steps = state.global_step
        last = self.spent >= self.limit or self.steps >= state.max_steps
        if self.spent >= self.next or last:
            self.next += self.every
            self.curve.append((round(self.spent, 1), self.setting.validation_loss(model)))
        control.should_training_stop = last
        self.started = time.monotonic()


def their_run(setting: Setting, seed: int, rate: float, seconds: float, steps: int) -> Clock:
    rows = joined(setting.train.held_out_rows(np.arange(len(setting.train))))
    examples = [{"input_ids": row.astype(np.int64)} for row in rows.tokens]
    if setting.kind == "bert":
        tokenizer = load_tokenizer(str(setting.folder / "tokenizer"))
        collator: Any = DataCollatorForLanguageModeling(tokenizer, seed=seed)
    else:
        collator = PerExampleCorruption(setting.vocabulary, seed)
    clock = Clock(setting, seconds, every=max(15.0, seconds / 40))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=ROWS, max_steps=steps, bf16=True,
            learning_rate=rate, lr_scheduler_type="cosine", warmup_steps=min(100, steps // 10),
            weight_decay=0.1, report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
            logging_steps=10_000, seed=seed,
        )  # fmt: skip
        Trainer(
            model=setting.model(seed), args=arguments, train_dataset=examples,
            data_collator=collator, callbacks=[clock],
        ).train()  # fmt: skip
    return clock


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("kind", choices=list(RECIPES))
    words.add_argument("text")
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--first-seed", type=int, default=0)
    words.add_argument("--tokens", type=int, default=6_000_000, help="budget of our run")
    words.add_argument("--rate", type=float, help="of the Trainer; default: the best of a few")
    given = words.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        place, rate = Path(temporary), given.rate
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            folder = place / f"ours-{seed}"
            recipe = our_run(given.kind, given.text, folder, seed, given.tokens)
            lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
            setting = open_setting(given.kind, recipe, folder)
            seconds = 60 * given.minutes
            probe = their_run(setting, seed, 1e-4, 20.0, 10**6)
            a_second = probe.steps / probe.spent  # so that their schedule ends with the time
            if rate is None:
                tried = {
                    r: their_run(setting, 0, r, 120.0, round(120 * a_second)).curve[-1][1]
                    for r in RATES
                }
                rate = min(tried, key=tried.__getitem__)
                print("learning rates after two minutes:", tried)
            theirs = their_run(setting, seed, rate, seconds, round(seconds * a_second))
            report(seed, rate, theirs.curve, lines)


def report(seed: int, rate: float, theirs: list[Any], lines: list[dict[str, Any]]) -> None:
    best_time, best = min(theirs, key=lambda point: point[1])
    seconds, ours = 0.0, []
    for line in lines:
        seconds = line.get("seconds", seconds)
        if "validation_loss" in line:
            ours.append((seconds, line["validation_loss"]))
    reached = next((second for second, loss in ours if loss <= best), None)
    print(f"seed {seed}: Trainer (rate {rate:g}) {best:.4f} after {best_time:.0f} s; ", end="")
    print(f"llmctl got there after {reached} s, and to {min(loss for _, loss in ours):.4f}")
    print("  Trainer:", [(s, round(loss, 3)) for s, loss in theirs])
    print("  llmctl: ", [(s, round(loss, 3)) for s, loss in ours])


if __name__ == "__main__":
    main()
