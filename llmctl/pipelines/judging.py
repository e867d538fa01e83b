"""What a build passes or fails on: gates on values, and gates on a drop from a baseline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmctl import console, files
from llmctl.errors import DataError, InputMissing, UsageError
from llmctl.evaluation.drops import DropGate, Tests, hold_drops, parse_drops
from llmctl.evaluation.gates import Gate, GateResult, hold_gates, parse_gate, value_of
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.paired_tests import NotComparable
from llmctl.evaluation.results import EvaluationResult
from llmctl.evaluation.stored import (
    StoredResult,
    check_same_conditions,
    read_result,
    results_path,
)
from llmctl.pipelines.pairing import System, paired_tests

_LARGEST_LEVEL = 0.5


@dataclass(frozen=True)
class GateWords:
    """What was typed.

    Attributes:
        gates: such as `bleu>=30`.
        baseline: a results.json or its folder.
        max_drop: such as `bleu=0.5` or `bleu=2%`.
        significant: the chance of failing without a real drop that is taken.
        update_baseline: write the baseline anew where everything passed.
    """

    gates: tuple[str, ...] = ()
    baseline: Path | None = None
    max_drop: tuple[str, ...] = ()
    significant: float | None = None
    update_baseline: bool = False


@dataclass(frozen=True)
class Judge:
    """The gates of an evaluation, checked before anything is measured.

    Attributes:
        stored: the baseline; None where there is none yet.
        path: where it is, or will be.
    """

    gates: list[Gate]
    drops: list[DropGate]
    stored: StoredResult | None = None
    path: Path | None = None
    level: float | None = None
    updates: bool = False


def with_recipe(words: GateWords, name: str | None) -> GateWords:
    """The gates of a recipe file and those that were typed; what was typed counts where both say
    something of one number.

    Raises:
        InputMissing, RecipeError: the file is not there, or holds something else.
    """
    if name is None:
        return words
    from llmctl.recipe.gates import GatesRecipe
    from llmctl.recipe.load import load_recipe

    recipe = load_recipe(name, recipe_class=GatesRecipe)
    typed = {word.partition("=")[0].strip() for word in words.max_drop}
    drops = [f"{key}={most}" for key, most in recipe.max_drop.items() if key not in typed]
    baseline = words.baseline or (Path(recipe.baseline) if recipe.baseline else None)
    level = recipe.significant if words.significant is None else words.significant
    return GateWords(
        (*recipe.gates, *words.gates), baseline, (*drops, *words.max_drop), level,
        words.update_baseline,
    )  # fmt: skip


def read_gates(words: GateWords, known: Sequence[str], output: Path | None = None) -> Judge:
    """
    Args:
        known: the names that gates may use.
        output: where reports will go.

    Raises:
        UsageError: a gate that cannot be read, or options that do not go together.
        InputMissing, DataError: the baseline is not there, or is none.
    """
    if not known and words != GateWords():
        raise UsageError(
            "the numbers of a module of one's own are not known before it has run",
            hint="--option MODULE.numbers=[NAME] names those that gates are about",
        )
    gates = [parse_gate(gate, known) for gate in words.gates]
    drops = parse_drops(words.max_drop, known)
    _check_words(words, known)
    if words.baseline is None:
        return Judge(gates, drops)
    path = results_path(words.baseline)
    if output is not None and path.resolve().parent == output.resolve():
        raise UsageError(
            f"the baseline {path} lies in the folder of -o, which is written anew",
            hint=f"--baseline {output.with_name(output.name + '-baseline')}.json",
        )
    stored = None
    if path.exists():
        stored = read_result(path)
    elif not words.update_baseline:
        raise InputMissing(
            f"there is no baseline {path}", hint="--update-baseline writes one from this result"
        )
    return Judge(gates, drops, stored, path, words.significant, words.update_baseline)


def hold_all(judge: Judge, task: str, outcome: Outcome) -> list[GateResult]:
    """The verdict of every gate.

    Raises:
        DataError: the examples of the baseline were changed.
    """
    held = hold_gates(judge.gates, outcome)
    if not judge.drops:
        return held
    if judge.stored is None:
        return held + [_first(gate, outcome) for gate in judge.drops]
    baseline: dict[str, float | NotComparable] = {}
    for gate in judge.drops:
        if isinstance(value_of(gate, outcome), GateResult):
            continue  # there is nothing to compare
        try:
            check_same_conditions(judge.stored, task, outcome, gate.metric)
            baseline[gate.metric] = judge.stored.value(gate.metric)
        except NotComparable as reason:
            baseline[gate.metric] = reason
    comparable = [name for name, value in baseline.items() if not isinstance(value, NotComparable)]
    tests: Tests | None = None
    if judge.level is not None:
        found = _tests(judge.stored, outcome, comparable) if comparable else {}
        nothing = NotComparable("it was not compared")
        tests = {gate.metric: found.get(gate.metric, nothing) for gate in judge.drops}
    return held + hold_drops(judge.drops, outcome, baseline, tests, judge.level or 0.0)


def update_baseline(judge: Judge, result: EvaluationResult) -> Path | None:
    """Write the result as the new baseline if it was asked for and everything passed: one file,
    whole or not at all, that holds the examples, too.

    Returns:
        Its path; None where none was written.

    Raises:
        StorageError: it cannot be written.
    """
    if not judge.updates or judge.path is None:
        return None
    if result.verdict != "passed":
        kept = "stays as it is; remove it to begin anew" if judge.stored else "is not written"
        console.note(f"the baseline {judge.path} {kept}: not every gate passed")
        return None
    examples = result.outcome.examples
    content = json.dumps(
        result.as_json({} if examples else None), ensure_ascii=False, indent=2, allow_nan=False
    )
    if examples is not None:
        rows = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in examples.rows)
        listed = ",\n    ".join(rows)
        content = f'{content[:-2]},\n  "rows": [\n    {listed}\n  ]\n}}'
    files.write_text(judge.path, content + "\n")
    return judge.path


def _check_words(words: GateWords, known: Sequence[str]) -> None:
    name = words.max_drop[0].partition("=")[0].strip() if words.max_drop else "".join(known[:1])
    if words.max_drop and words.baseline is None:
        raise UsageError(
            "--max-drop needs a baseline to drop from", hint="--baseline FILE or its folder"
        )
    if words.significant is not None and not words.max_drop:
        raise UsageError(
            "--significant belongs to --max-drop: the number that must not drop is not named",
            hint=f"--max-drop {name}=0 --significant {words.significant:g}",
        )
    if words.significant is not None and not 0 < words.significant <= _LARGEST_LEVEL:
        raise UsageError(
            f"--significant {words.significant:g}: the chance of failing without a real drop was "
            f"expected, above 0 and at most {_LARGEST_LEVEL}",
            hint="--significant 0.05",
        )
    if words.update_baseline and words.baseline is None:
        raise UsageError("--update-baseline needs to know where", hint="--baseline FILE.json")
    if words.baseline is not None and not words.max_drop and not words.update_baseline:
        raise UsageError(
            "a baseline was given, but nothing that is held against it",
            hint=f"--max-drop {name}=0.5",
        )


def _first(gate: DropGate, outcome: Outcome) -> GateResult:
    """The verdict where there is no baseline yet, and this result becomes it."""
    value = value_of(gate, outcome)
    if isinstance(value, GateResult):
        return value
    shown = console.number(value)
    return GateResult(gate, value, "passed", shown, f"{gate.metric}: there was no baseline yet")


def _tests(stored: StoredResult, outcome: Outcome, names: Sequence[str]) -> Tests:
    if outcome.examples is None:
        reason = NotComparable("this task keeps no examples to pair")
        return dict.fromkeys(names, reason)
    try:
        before = System(
            str(stored.path), stored.rows(), stored.measures,
            {name: metric["value"] for name, metric in stored.metrics.items()},
        )  # fmt: skip
    except NotComparable as reason:
        return dict.fromkeys(names, reason)
    now = System(
        "this evaluation", outcome.examples.rows, outcome.examples.measures,
        {metric.name: metric.value for metric in outcome.metrics},
    )  # fmt: skip
    try:
        return paired_tests(before, now, names)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"the examples of {stored.path} have another form: {error!r}",
            hint=f"write it again: remove {stored.path}, then --update-baseline",
        ) from error
