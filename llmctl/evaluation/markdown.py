"""The result of an evaluation as a page for people."""

from __future__ import annotations

from typing import Any

from llmctl import console
from llmctl.evaluation.results import EvaluationResult
from llmctl.evaluation.tables import (
    gate_tables,
    metric_table,
    notes_of,
    signatures_of,
    yardstick_table,
)


def markdown(result: EvaluationResult) -> str:
    """Verdict, numbers, gates, yardsticks, notes, and what it was made with."""
    outcome = result.outcome
    lines = [f"# {result.title}: {result.verdict}", ""]
    lines += [f"- {name}: {_inline(value)}" for name, value in _header(result)]
    lines += ["", *_table(*metric_table(result))]
    for number, (columns, rows) in enumerate(gate_tables(result)):
        lines += [] if number else ["", "## Gates"]
        lines += ["", *_table(columns, rows)]
    problems = [held.detail for held in result.gates if held.verdict != "passed"]
    lines += ["", *(f"- {_inline(detail)}" for detail in problems)] if problems else []
    if outcome.undecided:
        lines += ["", f"No verdict can be given: {outcome.undecided}."]
    if outcome.yardsticks:
        columns, guesses = yardstick_table(result)
        shown = [[name, console.number(value), *rest] for name, value, *rest in guesses]
        lines += ["", "## What a guesser reaches on the same tokens", "", *_table(columns, shown)]
    if notes := notes_of(result):
        lines += ["", "## Notes", "", *(f"- {_inline(note)}" for note in notes)]
    lines += ["", "## Made with", ""]
    made_with = {**result.settings, **result.environment}
    lines += _table(["setting", "value"], [[k, v] for k, v in made_with.items()])
    return "\n".join(lines) + "\n"


def _header(result: EvaluationResult) -> list[tuple[str, str]]:
    model, data = result.outcome.model, result.outcome.data
    lines = []
    if "predictions" in data:
        lines.append(("predictions", str(data["predictions"])))
    if "architecture" in model:
        parameters = console.number(model.get("parameters", 0))
        about = f"{model['architecture']}, {parameters} parameters"
        about += f", {model.get('dtype')} on {model.get('device')}"
        lines.append(("model", f"{model.get('path')} ({about})"))
    sources = ", ".join(map(str, data.get("sources", [])))
    lines.append(("data", f"{sources} ({str(data.get('sha256', ''))[:12]})"))
    lines.append(("made", f"{result.created}, in {console.duration(result.seconds)}"))
    return [*lines, *(("signature", f"`{line}`") for line in signatures_of(result))]


def _table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    body = [" | ".join(_inline(str(cell)).replace("|", "\\|") for cell in row) for row in rows]
    return [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {row} |" for row in body),
    ]


def _inline(text: str) -> str:
    return console.clean(text).replace("\n", " ")
