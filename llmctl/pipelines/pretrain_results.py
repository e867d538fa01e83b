"""How a pretraining run went: results.json, the closing summary, the next command to type."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.pipelines.pretrain_batches import context_free_losses, pretraining_material
from llmctl.pipelines.pretrain_inputs import Inputs
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.training_parts import Parts
from llmctl.pipelines.training_run import validation_of
from llmctl.recipe.schema import PretrainRecipe
from llmctl.training.state import TrainState

_NEXT = {
    "causal": ("llmctl predict {run} --task generation --prompt 'Once'",),
    "masked": ("llmctl predict {run} --task fill-mask --prompt 'The [MASK] is blue.'",),
}
"""What can be done next with a model of each head."""


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
        "objective": inputs.objective.name,
        "head": inputs.head,
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
    validation = validation_of(recipe, pretraining_material(recipe, inputs), parts.plan)
    assert validation is not None
    found: dict[str, Any] = {
        "best_loss": state.best_loss,
        "best_step": state.best_step,
        "best_epoch": round(state.best_step * parts.plan.rows_per_step / len(inputs.train), 4),
        "last_loss": state.last_validation,
        "parts": _parts(inputs, state, context_free_losses(recipe, inputs, validation)),
    }
    if list(found["parts"]) == ["loss"]:  # a language model's only loss: nats per token
        unigram, uniform = found["parts"]["loss"]["context_free_loss"], inputs.vocabulary.size
        found |= {
            "best_perplexity": math.exp(state.best_loss),
            "unigram_loss": unigram,
            "unigram_perplexity": math.exp(unigram),
            "uniform_loss": math.log(uniform),
            "uniform_perplexity": float(uniform),
        }
    return found


def _parts(
    inputs: Inputs, state: TrainState, context_free: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Every part of the loss at the best step, beside what a predictor without context reaches."""
    found = {}
    for part in inputs.objective.parts():
        if part.name not in state.best_parts:
            continue
        found[part.name] = {"loss": state.best_parts[part.name]}
        if part.base_rate is not None:
            rate = state.best_parts[part.base_rate]
            found[part.name]["context_free_loss"] = binary_entropy(rate)
        elif part.name in context_free:
            found[part.name]["context_free_loss"] = context_free[part.name]
    return found


def binary_entropy(rate: float) -> float:
    """Nats that a predictor loses which knows only how often the answer is yes.

    >>> round(binary_entropy(0.5), 4)
    0.6931
    """
    return -sum(p * math.log(p) for p in (rate, 1 - rate) if p > 0)


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
        rows += _validation_rows(found)
    rows.append(["model", results["model"]])
    run = shlex.quote(str(Path(results["model"]).parent))
    return (
        console.table(["pretraining", ""], rows)
        + f"\n\nnext: llmctl eval {run}{'' if found else ' --data FILE'}"
        + "".join(
            f"\n      {words.format(run=run)}"
            for words in _NEXT.get(results.get("head", "causal"), ())
        )
    )


def _validation_rows(found: dict[str, Any]) -> list[list[object]]:
    best: list[list[object]] = [
        ["best validation loss", f"{found['best_loss']:.4f} at step {found['best_step']:,}"]
    ]
    if "best_perplexity" in found:
        return [
            *best,
            ["  perplexity", f"{found['best_perplexity']:.2f}"],
            ["  of a unigram model", f"{found['unigram_perplexity']:.2f}"],
            ["  of a uniform guess", f"{found['uniform_perplexity']:.2f}"],
        ]
    for name, part in found["parts"].items():
        against = part.get("context_free_loss")
        beside = f" ({against:.4f} without context)" if against is not None else ""
        best.append([f"  {name.replace('_', ' ')}", f"{part['loss']:.4f}{beside}"])
    return best
