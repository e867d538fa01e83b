"""`llmctl score`: saved predictions and references → numbers and verdicts, without a model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmctl import __version__, files
from llmctl.errors import UsageError
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.results import EvaluationResult, environment
from llmctl.metrics import METRICS, find_numbers
from llmctl.metrics.hf_user_module import is_user_module, user_module
from llmctl.pipelines.judging import GateWords, Judge, hold_all, read_gates
from llmctl.pipelines.reports_folder import prepare_reports_folder
from llmctl.pipelines.score_rows import Columns, ScoredRows, read_scored_rows
from llmctl.pipelines.scoring import (
    CONFIDENCE,
    RESAMPLES,
    AskedMetric,
    described,
    examples_of,
    measure,
    notes_of,
)
from llmctl.recipe.overrides import OverrideError, read_override
from llmctl.registry import nearest

TASK = "score"
_SEED = 0
_NOT_DECODING = ("input", "model_sha256")


@dataclass(frozen=True)
class ScoreRequest:
    """What is scored, by what, and what must hold of it.

    Attributes:
        predictions: a file of rows with a `prediction`, or of lines.
        references: files with a line or row for each; none: the rows have their own.
        metrics: names of metrics or of their numbers; none: those that gates are about.
        options: words such as `bleu.lowercase=true`.
        language: passed to the metrics that ask for one.
    """

    predictions: str
    references: Sequence[str] = ()
    metrics: Sequence[str] = ()
    options: Sequence[str] = ()
    language: str | None = None
    columns: Columns = field(default_factory=Columns)
    encoding: str = "utf-8"
    gates: GateWords = field(default_factory=GateWords)


def score(request: ScoreRequest, output: Path | None = None) -> tuple[EvaluationResult, Judge]:
    """Score predictions and hold the gates against the numbers.

    Failed gates do not raise here: the result says so in `error`, for the reports come first.

    Args:
        output: the folder of reports; an earlier one's are taken away.

    Raises:
        UsageError: no metric, one that is not known, options or gates that cannot be read.
        InputMissing, DataError: the rows, their references or the baseline cannot be used.
    """
    asked = asked_metrics(request)
    judge = read_gates(request.gates, [n for one in asked for n in one.number_names()], output)
    prepare_reports_folder(output, [request.predictions, *request.references])
    created, start = datetime.now(UTC), time.monotonic()
    rows = read_scored_rows(
        request.predictions, request.references, [one.entry.kind for one in asked],
        request.columns, request.encoding,
        needs_references=any(one.entry.needs_references for one in asked),
    )  # fmt: skip
    outcome = _outcome(asked, rows)
    result = EvaluationResult(
        task=TASK,
        outcome=outcome,
        gates=hold_all(judge, TASK, outcome),
        settings=_settings(request, asked),
        created=created.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - start, 3),
        environment=environment(),
        command="score",
    )
    return result, judge


def asked_metrics(request: ScoreRequest) -> list[AskedMetric]:
    """The metrics that a request names, with their settings.

    Raises:
        UsageError: there is none, one is not known, or it has no such option.
    """
    modules = [name for name in request.metrics if is_user_module(name)]
    names = [name for name in request.metrics if name not in modules]
    if not request.metrics:
        names = [_name_in(gate) for gate in (*request.gates.gates, *request.gates.max_drop)]
    if not names and not modules:
        raise UsageError(
            f"no metric was named; there are {', '.join(METRICS)}", hint="--metric rouge_l"
        )
    found = find_numbers(names)
    options = _options(request.options, [*found, *(user_module(name).name for name in modules)])
    asked = []
    for name in [*found, *modules]:
        entry = user_module(name) if name in modules else METRICS.get(name)
        words = dict(options.get(entry.name, {}))
        if request.language is not None and "language" in entry.settings.model_fields:
            words = {"language": request.language, **words}
        try:
            settings = entry.settings(**words)
        except ValidationError as error:
            raise UsageError(_explained(entry.name, entry.settings, error)) from None
        asked.append(AskedMetric(name, entry, settings, tuple(found.get(name, ()))))
    return asked


def _name_in(gate: str) -> str:
    """The name that a gate begins with.

    >>> _name_in("rouge_l >= 31.5"), _name_in("bleu=0.5")
    ('rouge_l', 'bleu')
    """
    stripped = gate.strip()
    end = next((i for i, c in enumerate(stripped) if not (c.isalnum() or c == "_")), len(stripped))
    return stripped[:end]


def _options(words: Sequence[str], metrics: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`bleu.lowercase=true` → {"bleu": {"lowercase": True}}."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        try:
            override = read_override(word)
        except OverrideError as error:
            raise UsageError(f"option {word!r}: {error}") from None
        metric, *keys = override.keys
        if len(keys) != 1 or metric not in metrics:
            close = nearest(metric, list(metrics)) or metrics[0]
            raise UsageError(
                f"option {word!r}: the name of a metric that is measured, a dot, the option, = and "
                f"its value were expected; measured are {', '.join(metrics)}",
                hint=f"--option {close}.{override.keys[-1]}={word.partition('=')[2]}",
            )
        found.setdefault(metric, {})[keys[0]] = override.value
    return found


def _explained(metric: str, settings: Any, error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in (metric, *problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(settings.model_fields) or "none"
        return f"{metric} has no option {problem['loc'][0]!r}; it has {known}"
    return f"option {name}: {problem['msg'].removeprefix('Value error, ')}"


def _outcome(asked: Sequence[AskedMetric], rows: ScoredRows) -> Outcome:
    with rows.placed_errors():
        measured = measure(asked, lambda entry: rows.inputs(entry.kind), rows.references)
    made_with = _made_with(rows.files[0])
    count = len(rows.predictions)
    return Outcome(
        metrics=[
            metric
            for one, found in zip(asked, measured, strict=True)
            for metric in described(one.entry.name, found, one.numbers, _SEED)
        ],
        signature={
            "data": rows.sha256[:8], "examples": count, "version": f"llmctl-{__version__}",
        },
        notes=[
            note
            for one, found in zip(asked, measured, strict=True)
            for note in notes_of(one, found)
        ],
        model={"weights_sha256": made_with["model_sha256"]} if "model_sha256" in made_with else {},
        data={
            "predictions": rows.files[0], "sources": rows.files[1:] or rows.files,
            "sha256": rows.sha256, "examples": count,
        },
        examples=examples_of(rows.columns(), asked, measured),
        decoding={name: value for name, value in made_with.items() if name not in _NOT_DECODING},
    )  # fmt: skip


def _made_with(predictions: str) -> Mapping[str, Any]:
    """How `llmctl predict` made the predictions; nothing where others did."""
    path = Path(predictions + ".settings.json")
    found = files.read_json(path) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _settings(request: ScoreRequest, asked: Sequence[AskedMetric]) -> dict[str, Any]:
    settings = {one.entry.name: one.settings.model_dump(mode="json") for one in asked}
    return {
        "metrics": list(request.metrics) or [one.entry.name for one in asked],
        "language": request.language,
        "prediction_column": request.columns.prediction,
        "reference_column": request.columns.reference,
        "encoding": request.encoding,
        **{f"{name}.{key}": value for name, of in settings.items() for key, value in of.items()},
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "seed": _SEED,
    }
