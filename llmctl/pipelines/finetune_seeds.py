"""`llmctl finetune --seeds N`: one run for each seed, and what their results have in common."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.console import is_main_process
from llmctl.errors import UsageError
from llmctl.models.find import SEEDS, is_run_folder
from llmctl.pipelines import finetune
from llmctl.recipe.finetune import FinetuneRecipe

Results = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the runs left behind; of a group of processes, only the main one knows."""

    results: Results

    def summary(self) -> str:
        """The closing table, for a person."""
        return summarize(self.results) if self.results else ""


def run(
    recipe: FinetuneRecipe, folder: Path, *, seeds: int, fresh: bool = False,
    argv: Sequence[str] = (),
) -> Outcome:  # fmt: skip
    """Finetune with the recipe's seed and the ones after it, each in its own run folder.

    A run that is finished is not repeated, one that was stopped goes on; more seeds than before
    add to those that are there. `folder/model` is a link to the model of the seed that is best on
    the validation rows (without any, of the first).

    Raises:
        UsageError: the folder holds a single run.
        LlmctlError: what `finetune.run` raises; the same command goes on from there.
    """
    if is_run_folder(folder):
        raise UsageError(
            f"{folder} holds a single run, not one for each seed", hint="use another -o"
        )
    numbers = [recipe.seed + number for number in range(seeds)]
    if is_main_process():
        files.check_output_folder(folder)
        files.write_json(folder / SEEDS, {"schema": 1, "seeds": numbers})
    found: dict[int, Results] = {}
    for place, seed in enumerate(numbers, start=1):
        console.note(f"seed {seed}, {place} of {seeds}: {_run_folder(folder, seed)}")
        one = recipe.model_copy(update={"seed": seed})
        outcome = finetune.run(
            one, _run_folder(folder, seed), fresh=fresh, argv=argv, stays=place < seeds
        )
        found[seed] = outcome.results
    if not is_main_process():
        return Outcome({})
    results = combine(folder, found)
    files.replace_link(folder / "model", f"seed-{results['best_seed']}/model")
    files.write_json(folder / "results.json", results)
    return Outcome(results)


def _run_folder(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}"


def combine(folder: Path, found: Mapping[int, Results]) -> Results:
    """The results of every seed → means, deviations, and the best seed."""
    first = next(iter(found.values()))
    return {
        "schema": 1,
        "command": "finetune",
        "task": first["task"],
        "head": first["head"],
        "metric": first["metric"],
        "parameters": first["parameters"],
        "trained": first["trained"],
        "seconds": round(sum(one["seconds"] for one in found.values()), 1),
        "seeds": list(found),
        "best_seed": _best(found),
        "model": str(folder / "model"),
        **{
            part: None if first[part] is None else _combined([one[part] for one in found.values()])
            for part in ("validation", "test")
        },
    }


def _best(found: Mapping[int, Results]) -> int:
    """The seed that is best on the validation rows; the earlier one of two that are alike."""

    def rank(seed: int) -> float:
        measured, metric = found[seed]["validation"], found[seed]["metric"]
        entry = (measured or {}).get("metrics", {}).get(metric)
        if entry is None or entry["value"] is None:
            return -measured["loss"] if measured else 0.0
        return float(entry["value"] if entry["higher_is_better"] else -entry["value"])

    return max(found, key=rank)


def _combined(parts: Sequence[Results]) -> Results:
    """The measurements of one part of the data, one for each seed."""
    first = parts[0]
    return {
        "rows": first["rows"],
        "loss": spread([part["loss"] for part in parts]),
        "metrics": {
            name: spread([part["metrics"][name]["value"] for part in parts])
            | {"higher_is_better": entry["higher_is_better"]}
            for name, entry in first.get("metrics", {}).items()
        },
        "baseline": first.get("baseline"),
    }


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and standard deviation (over n - 1) of a number; none where a run has none.

    >>> spread([0.8, 0.9, 1.0])["mean"], round(spread([0.8, 0.9, 1.0])["deviation"], 6)
    (0.9, 0.1)
    """
    there = [value for value in values if value is not None]
    whole = len(there) == len(values)
    return {
        "mean": statistics.fmean(there) if whole else None,
        "deviation": statistics.stdev(there) if whole and len(there) > 1 else None,
        "values": list(values),
    }


def summarize(results: Results) -> str:
    """The closing table and the next command to type."""
    rows: list[list[object]] = [
        ["task", results["task"]],
        ["parameters", console.number(results["parameters"])],
        ["seeds", ", ".join(map(str, results["seeds"]))],
        ["best seed", f"{results['best_seed']} (by {results['metric']} on validation)"],
        ["training time", console.duration(results["seconds"])],
        ["model", results["model"]],
    ]
    if results["validation"] is None:
        rows[3] = ["best seed", f"{results['best_seed']} (the first: no validation rows)"]
    text = console.table(["finetuning", ""], rows)
    for name in ("validation", "test"):
        if results[name]:
            text += f"\n\n{_table(name, results[name], results['seeds'])}"
    run = shlex.quote(str(Path(results["model"]).parent))
    return f"{text}\n\nnext: llmctl predict {run} FILE -o predictions.jsonl"


def _table(name: str, part: Results, seeds: Sequence[int]) -> str:
    columns = [f"{name} ({part['rows']:,} rows)", "mean", "deviation"]
    columns += [f"seed {seed}" for seed in seeds]
    numbers = {"loss": part["loss"], **part["metrics"]}
    guess = part["baseline"]
    rows: list[list[object]] = [
        [metric, *(map(_shown, [found["mean"], found["deviation"], *found["values"]]))]
        for metric, found in numbers.items()
        if any(value is not None for value in found["values"])
    ]
    if guess:
        columns.append(guess["name"])
        for row in rows:
            row.append(_shown(guess["metrics"].get(row[0])))
    return console.table(columns, rows)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
