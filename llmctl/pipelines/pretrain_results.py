"""How a pretraining run went: results.json, the closing summary, the next command to type."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from llmctl import console, files
from llmctl.objectives.base import IGNORED_LABEL
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.pretrain_parts import Parts, validation_rows
from llmctl.pipelines.run_folder import RunRecord
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training.state import TrainState


def write_results(
    recipe: PretrainRecipe, folder: Path, inputs: Inputs, parts: Parts, state: TrainState,
    record: RunRecord,
) -> dict[str, Any]:  # fmt: skip
    """Write RUN/results.json, close the record, and say what was reached."""
    results: dict[str, Any] = {
        "schema": 1,
        "command": "pretrain",
        "steps": state.step,
        "tokens": state.tokens,
        "epochs": round(state.step * parts.plan.rows_per_step / len(inputs.train), 4),
        "seconds": round(state.seconds, 1),
        "finished_by": state.finished,
        "parameters": record.content["model"]["parameters"],
        "validation": _validation(recipe, inputs, parts, state),
        "model": str(folder / "model"),
    }
    if parts.trainable.processes.is_main:
        files.write_json(folder / "results.json", results)
        record.update(status="finished", status_reason=state.finished)
    return results


def _validation(
    recipe: PretrainRecipe, inputs: Inputs, parts: Parts, state: TrainState
) -> dict[str, Any] | None:
    if state.best_loss is None or state.best_step is None:
        return None
    uniform = math.log(inputs.vocabulary.size)
    unigram = unigram_loss(recipe, inputs, parts)
    return {
        "best_loss": state.best_loss,
        "best_perplexity": math.exp(state.best_loss),
        "best_step": state.best_step,
        "best_epoch": round(state.best_step * parts.plan.rows_per_step / len(inputs.train), 4),
        "last_loss": state.last_validation,
        "unigram_loss": unigram,
        "unigram_perplexity": math.exp(unigram),
        "uniform_loss": uniform,
        "uniform_perplexity": math.exp(uniform),
    }


def unigram_loss(recipe: PretrainRecipe, inputs: Inputs, parts: Parts) -> float:
    """Nats per token of the best guess that looks at no context, on the same validation targets.

    Token frequencies of the training text, one added to each count so that none is impossible.
    """
    validation = validation_rows(recipe, inputs, parts.plan)
    assert validation is not None
    counts = inputs.train.shards.token_counts().astype(np.float64) + 1.0
    losses = -np.log(counts / counts.sum())
    total, targets = 0.0, 0
    for start in range(0, validation.num_rows, 256):
        rows = np.arange(start, min(start + 256, validation.num_rows), dtype=np.int64)
        labels = validation.make_batch(rows).arrays["labels"]
        chosen = labels[labels != IGNORED_LABEL]
        total, targets = total + float(losses[chosen].sum()), targets + len(chosen)
    return total / max(targets, 1)


def summarize(results: dict[str, Any]) -> str:
    """The closing table and the next command to type."""
    found = results["validation"]
    reasons = {"budget": "budget spent", "patience": "validation stopped improving"}
    rows: list[list[object]] = [
        ["parameters", console.number(results["parameters"])],
        ["steps", console.number(results["steps"])],
        ["tokens", console.number(results["tokens"])],
        ["epochs", f"{results['epochs']:.2f}"],
        ["training time", console.duration(results["seconds"])],
        ["ended by", reasons[results["finished_by"]]],
    ]
    if found:
        rows += [
            ["best validation loss", f"{found['best_loss']:.4f} at step {found['best_step']:,}"],
            ["  perplexity", f"{found['best_perplexity']:.2f}"],
            ["  of a unigram model", f"{found['unigram_perplexity']:.2f}"],
            ["  of a uniform guess", f"{found['uniform_perplexity']:.2f}"],
        ]
    rows.append(["model", results["model"]])
    run = shlex.quote(str(Path(results["model"]).parent))
    return (
        console.table(["pretraining", ""], rows)
        + f"\n\nnext: llmctl eval {run}{'' if found else ' --data FILE'}"
        + f"\n      llmctl predict {run} --task generation --prompt 'Once'"
    )
