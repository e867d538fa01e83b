"""Answers of a finetuned model, kept so that its task can measure them again without the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from llmctl.evaluation.outcome import Examples
from llmctl.metrics.base import Measured
from llmctl.pipelines.data_problems import USUAL_POLICIES
from llmctl.pipelines.predict_rows import MARK
from llmctl.tasks import AnyTask
from llmctl.tasks.base import Example, Task


def task_examples(
    task: Task,
    examples: Sequence[Example],
    answers: Sequence[Mapping[str, Any]],
    measured: Sequence[Measured],
) -> Examples:
    """What is kept of labelled rows and the answers to them.

    Args:
        measured: what `task.measure` gave.
    """
    rows = [
        {**one.row, **answer, MARK: {"path": one.path, "row": one.number}}
        for one, answer in zip(examples, answers, strict=True)
    ]
    numbers = [number.name for found in measured for number in found.numbers]
    settings = task.model_dump(mode="json", exclude_defaults=True) | {"name": task.name}
    return Examples(rows, {task.name: {"numbers": numbers, "settings": settings}})


def measured_again(
    settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[Measured]:
    """What the task finds about rows that `task_examples` kept."""
    task: Task = TypeAdapter(AnyTask).validate_python(settings)
    examples = [Example("", number, row, task.example(row)) for number, row in enumerate(rows, 1)]
    for problem in list(task.problems(examples)):  # mended as they were when they were first read
        mends = USUAL_POLICIES.get(problem.kind) == "mend" and problem.mended is not None
        if mends and problem.example is not None:
            place = problem.example
            examples[place] = replace(examples[place], content=problem.mended)
    return task.measure(examples, rows)
