"""How a finetuning run went: scores of the chosen weights, beside a guesser's, and predictions."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.metrics.base import Measured, Number
from llmctl.metrics.bootstrap import interval
from llmctl.models.load import load_model
from llmctl.pipelines.finetune_inputs import FinetuneInputs, Part
from llmctl.pipelines.finetune_material import LOSS, TaskJudge, in_order
from llmctl.pipelines.run_folder import RunRecord
from llmctl.pipelines.task_answers import AnswerWriter
from llmctl.pipelines.training_parts import Parts
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.tasks.base import Example, Task
from llmctl.training.state import TrainState
from llmctl.training.validation import Validation, validate

_RESAMPLES = 1000


class _Kept(TaskJudge):
    """A judge that keeps the answers."""

    answers: list[dict[str, Any]] = []  # noqa: RUF012 - replaced by every scoring

    def score(self, outputs: Any) -> dict[str, float]:
        self.answers = self.predictions(outputs)
        return {}


def write_results(
    recipe: FinetuneRecipe, folder: Path, inputs: FinetuneInputs, parts: Parts, state: TrainState,
    record: RunRecord,
) -> dict[str, Any]:  # fmt: skip
    """Measure the chosen weights, write RUN/results.json and predictions, close the record."""
    results: dict[str, Any] = {
        "schema": 1,
        "command": "finetune",
        "task": inputs.task.name,
        "steps": state.step,
        "best_step": state.best_step,
        "epochs": round(state.step * parts.plan.rows_per_step / len(inputs.train.features), 4),
        "seconds": round(state.seconds, 1),
        "finished_by": state.finished,
        "parameters": record.content["model"]["parameters"],
        "trained": {
            name: record.content["model"][name]
            for name in ("trained", "trained_head", "trained_share")
        },
        "metric": recipe.validation.metric or inputs.task.main_metric,
        "head": inputs.head,
        "model": str(folder / "model"),
    }
    for name, part in (("validation", inputs.validation), ("test", inputs.test)):
        results[name] = _measured(recipe, folder, name, inputs, part, parts) if part else None
    if parts.trainable.processes.is_main:
        files.write_json(folder / "results.json", results)
        record.update(status="finished", status_reason=state.finished)
    return results


def _measured(
    recipe: FinetuneRecipe, folder: Path, name: str, inputs: FinetuneInputs, part: Part,
    parts: Parts,
) -> dict[str, Any]:  # fmt: skip
    """The scores of a part, with intervals; its predictions are written beside."""
    if inputs.task.generates:
        return _answered(recipe, folder, name, inputs, part, parts)
    judge = _Kept(inputs.task, part, LOSS)
    found = validate(
        parts.trainable,
        Validation(
            in_order(inputs, part), len(part.features), parts.plan.micro_batch_size, judge
        ),
    )  # fmt: skip
    measured: dict[str, Any] = {"rows": len(part.examples), "loss": found.loss}
    if not parts.trainable.processes.is_main:
        return measured
    _write_predictions(folder, name, part.examples, judge.answers)
    return measured | _scores(recipe, inputs, part.examples, judge.answers)


def _answered(
    recipe: FinetuneRecipe, folder: Path, name: str, inputs: FinetuneInputs, part: Part,
    parts: Parts,
) -> dict[str, Any]:  # fmt: skip
    """The loss and perplexity of all answers of a part; the saved model writes the first ones, on
    the main process, and they are scored beside a guesser's."""
    found = validate(
        parts.trainable,
        Validation(in_order(inputs, part), len(part.features), parts.plan.micro_batch_size),
    )
    measured: dict[str, Any] = {
        "rows": len(part.examples),
        "loss": found.loss,
        "answer_perplexity": math.exp(min(found.loss, 700.0)),
    }
    examples = part.examples[: recipe.validation.answered_rows]

    def answers() -> list[dict[str, Any]]:
        device = str(parts.trainable.processes.device)
        model = load_model(folder / "model", inputs.head, device=device, dtype="float32")
        writer = AnswerWriter(inputs.task, model, inputs.head, inputs.tokenizer, recipe.generation)
        prompts = [writer.prompt(one, number) for number, one in enumerate(examples)]
        with console.progress(f"answering {name}", len(examples), "rows") as bar:
            return writer.answers(examples, prompts, bar.advance)

    written = parts.trainable.processes.on_main(answers) if examples else None
    if not written:
        return measured
    _write_predictions(folder, name, examples, written)
    sound = [(e, w) for e, w in zip(examples, written, strict=True) if "error" not in w]
    return {
        **measured,
        "answered_rows": len(sound),
        **_scores(recipe, inputs, [e for e, _ in sound], [w for _, w in sound]),
    }


def _scores(
    recipe: FinetuneRecipe, inputs: FinetuneInputs, examples: Sequence[Example],
    answers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Every number with its interval, and a guesser's."""
    found = inputs.task.measure(examples, answers) if examples else []
    return {
        "metrics": {k: v for one in found for k, v in _described(one, recipe.seed).items()},
        "baseline": _baseline(inputs.task, inputs.train, examples) if found else None,
    }


def _write_predictions(
    folder: Path, name: str, examples: Sequence[Example], answers: Sequence[Mapping[str, Any]]
) -> None:
    rows = [
        {**one.row, **answer, "_llmctl": {"row": one.number, "path": one.path}}
        for one, answer in zip(examples, answers, strict=True)
    ]
    files.write_json_lines(folder / f"predictions-{name}.jsonl", rows)


def _described(measured: Measured, seed: int) -> dict[str, dict[str, Any]]:
    """Every number with its 95 % interval, for results.json."""
    between = interval(measured, samples=_RESAMPLES, seed=seed)
    values = measured.values()

    def described(number: Number) -> dict[str, Any]:
        low_high = between[number.name]
        return {
            "value": values[number.name],
            "interval": None if low_high is None else list(low_high),
            "higher_is_better": number.higher_is_better,
            "null_reason": measured.null_reasons.get(number.name),
        }

    return {number.name: described(number) for number in measured.numbers}


def _baseline(task: Task, train: Part, examples: Sequence[Example]) -> dict[str, Any] | None:
    """What a guesser reaches on the same rows."""
    guess = task.baseline(train.examples, examples)
    if guess is None:
        return None
    answers = [{"prediction": answer} for answer in guess.predictions]
    values = [one.values() for one in task.measure(examples, answers)]
    return {
        "name": guess.name,
        "how": guess.how,
        "metrics": {name: value for found in values for name, value in found.items()},
    }


def summarize(results: dict[str, Any]) -> str:
    """The closing table and the next command to type."""
    reasons = {"budget": "budget spent", "patience": "validation stopped improving"}
    rows: list[list[object]] = [
        ["task", results["task"]],
        ["parameters", console.number(results["parameters"])],
        ["steps", console.number(results["steps"])],
        ["epochs", f"{results['epochs']:.2f}"],
        ["training time", console.duration(results["seconds"])],
        ["ended by", reasons[results["finished_by"]]],
        ["model", results["model"]],
    ]
    learns = results.get("trained", {})
    if learns.get("trained_share", 1.0) < 1.0:
        share = f"{learns['trained']:,} ({learns['trained_share']:.2%})"
        rows.insert(2, ["that learn", f"{share}, and the head's {learns['trained_head']:,}"])
    text = console.table(["finetuning", ""], rows)
    for name in ("validation", "test"):
        if results[name]:
            text += f"\n\n{_score_table(name, results[name])}"
    run = shlex.quote(str(Path(results["model"]).parent))
    return f"{text}\n\nnext: llmctl predict {run} FILE -o predictions.jsonl"


def _score_table(name: str, found: dict[str, Any]) -> str:
    guess, width = found.get("baseline"), 3
    columns = [f"{name} ({found['rows']:,} rows)", "value", "95 % interval"]
    rows: list[list[object]] = [["loss", f"{found['loss']:.4f}", ""]]
    if "answer_perplexity" in found:
        rows.append(["answer perplexity", f"{found['answer_perplexity']:.2f}", ""])
    if "answered_rows" in found and found["metrics"]:
        rows.append([f"of {found['answered_rows']:,} answers written:", "", ""])
    for metric, entry in found.get("metrics", {}).items():
        value, between = entry["value"], entry["interval"]
        if value is None and (not guess or guess["metrics"].get(metric) is None):
            continue  # a number that this task does not ask for
        rows.append(
            [
                metric,
                "-" if value is None else f"{value:.4f}",
                "" if between is None else f"{between[0]:.4f} to {between[1]:.4f}",
            ]
        )
        if guess:
            other = guess["metrics"].get(metric)
            rows[-1].append("-" if other is None else f"{other:.4f}")
    if guess:
        columns.append(guess["name"])
        rows = [[*row, ""] if len(row) == width else row for row in rows]
    return console.table(columns, rows)
