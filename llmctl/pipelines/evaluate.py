"""`llmctl eval`: check the gates' words, measure, hold the gates against it, write the reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from llmctl.evaluation.gates import hold_gates, parse_gate
from llmctl.evaluation.reports import remove_reports, write_reports
from llmctl.evaluation.results import EvaluationResult, environment
from llmctl.pipelines.evaluation_tasks import EVALUATIONS, EvaluationRequest


def evaluate(
    request: EvaluationRequest, gates: Sequence[str] = (), output: Path | None = None
) -> EvaluationResult:
    """Evaluate a model and write `results.json`, `report.md` and `junit.xml` to `output`.

    Failed gates do not raise here: the result says so in `error`, after the reports are written.

    Raises:
        UsageError: a gate that cannot be read, an unknown task, settings that do not fit the model.
        InputMissing, DataError, NetworkError, SafetyError, SettingsMismatch: model or data cannot
            be used.
        StorageError: the reports cannot be written.
    """
    task = EVALUATIONS.get(request.settings.task)
    parsed = [parse_gate(gate, task.metrics) for gate in gates]
    if output is not None:
        remove_reports(output)
    created, start = datetime.now(UTC), time.monotonic()
    outcome = task.evaluate(request)
    result = EvaluationResult(
        task=request.settings.task,
        outcome=outcome,
        gates=hold_gates(parsed, outcome),
        settings=request.settings.model_dump() | request.reading.model_dump(),
        created=created.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - start, 3),
        environment=environment(),
    )
    if output is not None:
        write_reports(result, output)
    return result
