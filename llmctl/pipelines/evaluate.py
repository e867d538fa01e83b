"""`llmctl eval`: check the gates' words, measure, hold the gates against it, write the reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmctl.data.settings import ReadingSettings
from llmctl.errors import UsageError
from llmctl.evaluation.results import EvaluationResult, environment
from llmctl.evaluation.settings import EvaluationSettings
from llmctl.pipelines.evaluation_tasks import EVALUATIONS, EvaluationRequest
from llmctl.pipelines.evaluation_yardsticks import check_yardsticks
from llmctl.pipelines.judging import GateWords, Judge, hold_all, read_gates
from llmctl.pipelines.reading_options import reading_settings
from llmctl.pipelines.reports_folder import prepare_reports_folder


def request_from_words(
    model: str, data: Sequence[str], more_data: Sequence[str], *, output: Path | None, split: str,
    tokenizer: str | None, yardstick_data: Path | None, settings: dict[str, Any],
    reading: dict[str, Any],
) -> EvaluationRequest:  # fmt: skip
    """A request from what was typed, checked.

    Args:
        more_data: words after the model; `--data *.txt` puts all files but the first there.

    Raises:
        UsageError: values that are not allowed, or that contradict each other.
    """
    if more_data and not data:
        raise UsageError(
            f"{more_data[0]!r} is not an option's value; text to measure on goes after --data",
            hint=f"--data {more_data[0]}",
        )
    if settings["task"] is None:
        from llmctl.pipelines.evaluation_model import usual_task

        settings = {**settings, "task": usual_task(model)}
    return EvaluationRequest(
        model=model,
        data=(*data, *more_data),
        settings=_checked(settings),
        reading=reading_settings(**reading),
        split=split,
        tokenizer=tokenizer,
        yardstick_data=yardstick_data,
        bad_rows_file=output / "bad_rows.jsonl" if output else None,
    )


def evaluate(
    request: EvaluationRequest,
    words: GateWords,
    output: Path | None = None,
) -> tuple[EvaluationResult, Judge]:
    """Evaluate a model and hold the gates against the numbers.

    Failed gates do not raise here: the result says so in `error`, for the reports come first.

    Args:
        output: the folder of reports; an earlier one's are taken away.

    Raises:
        UsageError: a gate that cannot be read, an unknown task, settings that do not fit the model.
        InputMissing, DataError, NetworkError, SafetyError, SettingsMismatch: model, data or
            baseline cannot be used.
    """
    task = EVALUATIONS.get(request.settings.task)
    judge = read_gates(words, task.names(request), output)
    check_yardsticks(request.settings.yardstick, request.settings.task, task.yardsticks)
    prepare_reports_folder(output, list(request.data))
    created, start = datetime.now(UTC), time.monotonic()
    outcome = task.evaluate(request)
    result = EvaluationResult(
        task=request.settings.task,
        outcome=outcome,
        gates=hold_all(judge, request.settings.task, outcome),
        settings={
            **request.settings.model_dump(),
            **request.reading.model_dump(include=set(ReadingSettings.model_fields)),
            "split": request.split,
            **outcome.resolved,
        },
        created=created.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - start, 3),
        environment=environment(),
    )
    return result, judge


def _checked(words: dict[str, Any]) -> EvaluationSettings:
    """A task's settings from the options that were given.

    Raises:
        UsageError: an unknown task, options it does not have, or values that cannot be.
    """
    task = EVALUATIONS.get(words["task"])
    try:
        return task.settings(**{key: value for key, value in words.items() if value is not None})
    except ValidationError as error:
        problems = [_problem(problem, words["task"]) for problem in error.errors()]
        raise UsageError("; ".join(problems)) from None


def _problem(problem: Any, task: str) -> str:
    if not problem["loc"]:
        return str(problem["ctx"]["error"])
    option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
    if problem["type"] == "extra_forbidden":
        return f"{option} is no option of the task {task}"
    return f"{option}: {problem['msg']}"
