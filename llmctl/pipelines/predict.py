"""`llmctl predict`: read rows, answer them in batches of like length, write each batch at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmctl import console
from llmctl.errors import DataError, UsageError
from llmctl.models.families import heads_of
from llmctl.models.load import model_folder
from llmctl.models.safety import read_config
from llmctl.pipelines.finetuned_task import finetuned_task
from llmctl.pipelines.predict_rows import count_rows, find_input, read_rows
from llmctl.pipelines.predict_tasks import (
    PREDICTIONS,
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
    Predictor,
)
from llmctl.pipelines.predictions_file import PredictionsFile, PredictionsOut, Standard, locked
from llmctl.pipelines.weights import weights_fingerprint
from llmctl.section import Section

_WINDOW_ROWS = 256
_ERRORS_SHOWN = 5


@dataclass
class _Counts:
    rows: int = 0
    done_before: int = 0
    predicted: int = 0
    new_tokens: int = 0
    seconds: float = 0.0
    """Of predicting alone, without loading the model."""
    errors: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def request_from_words(
    model: str, task: str | None, source: str | None, *, prompt: str | None, output: Path | None,
    column: str | None, encoding: str, fresh: bool, json: bool, settings: Mapping[str, Any],
) -> PredictionRequest:  # fmt: skip
    """A request from what was typed, checked.

    Raises:
        UsageError: values that are not allowed, or that contradict each other.
    """
    if output is not None and output.suffix != ".jsonl":
        raise UsageError(
            f"-o {output}: a .jsonl file was expected", hint=f"-o {output.with_suffix('.jsonl')}"
        )
    if output is None and json and prompt is None:
        raise UsageError(
            "--json prints one summary, but without -o the predictions themselves go to stdout",
            hint="-o preds.jsonl --json",
        )
    if fresh and output is None:
        raise UsageError("--fresh starts a file over, but there is no -o")
    task = task or usual_task(model)
    return PredictionRequest(
        model=model, task=task, input=source, prompt=prompt, output=output, column=column,
        settings=_checked(task, settings), encoding=encoding, fresh=fresh,
        streams=prompt is not None and output is None and not json and sys.stdout.isatty(),
    )  # fmt: skip


def usual_task(model: str) -> str:
    """What a model was made for: the task it was finetuned for, else what its head can do.

    Raises:
        InputMissing, NetworkError, SafetyError, UsageError: see `model_folder`.
    """
    folder = model_folder(model)
    finetuned = finetuned_task(folder)
    if finetuned is not None:
        return finetuned.name
    encodes = "masked" in heads_of(str(read_config(folder).get("model_type")))
    return "fill-mask" if encodes else "generation"


def summary(found: Mapping[str, Any]) -> str:
    """One line for a person.

    >>> summary({"predicted": 7, "done_before": 2, "errors": 1, "new_tokens": 70, "seconds": 2.0,
    ...          "output": "preds.jsonl"})
    '7 rows predicted, 2 done before, 1 in error; 70 tokens in 2s, 35 tokens/s; see preds.jsonl'
    """
    parts = [f"{found['predicted']:,} rows predicted"]
    if found["done_before"]:
        parts.append(f"{found['done_before']:,} done before")
    if found["errors"]:
        parts.append(f"{found['errors']:,} in error")
    text = ", ".join(parts)
    if found["new_tokens"]:
        rate = console.number(found["new_tokens"] / max(found["seconds"], 1e-3), 3)
        seconds = console.duration(found["seconds"])
        text += f"; {found['new_tokens']:,} tokens in {seconds}, {rate} tokens/s"
    return text + (f"; see {found['output']}" if found["output"] else "")


def _checked(task: str, words: Mapping[str, Any]) -> Section:
    """A task's settings from the options that were given.

    Raises:
        UsageError: an unknown task, an option it does not have, or a value that cannot be.
    """
    try:
        return PREDICTIONS.get(task).settings(
            **{key: value for key, value in words.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise UsageError(message) from None
        option = str(first["loc"][0]).replace("_", "-")
        if first["type"] == "extra_forbidden":
            raise UsageError(f"--{option} is no option of the task {task}") from None
        raise UsageError(f"--{option} {first['input']}: {message}") from None


def predict(request: PredictionRequest) -> dict[str, Any]:
    """Answer every row of the input; returns the counts.

    With an `output`, each batch is on disk before the next begins; the same command goes on where
    it was stopped, and tries rows in error again. Without, rows go to standard output.

    Raises:
        UsageError, InputMissing, NetworkError, SafetyError: input or model cannot be used.
        SettingsMismatch: `output` holds predictions that were made otherwise.
        DataError: no row, or not one that could be answered.
        Locked: another process writes to `output`.
    """
    task = PREDICTIONS.get(request.task)
    column = request.column or task.column
    file = find_input(request)
    rows = read_rows(file, request, column, task.reading(request))
    rows = chain(list(islice(rows, 1)), rows)  # a missing column is found before the model is read
    counts = _Counts()
    made_with = _made_with(request, task)
    with ExitStack() as stack:
        out: PredictionsOut = Standard(shown_already=request.streams)
        if request.output is not None:
            stack.enter_context(locked(request.output))
            out = PredictionsFile(request.output, made_with, fresh=request.fresh)
        bar = console.Progress("predicting", None, "rows")
        if file is not None:
            bar = stack.enter_context(console.progress("predicting", count_rows(file), "rows"))
        _answer(_pending(rows, out, counts, bar), request, task, out, counts, bar)
    if counts.rows == 0:
        raise DataError(f"{request.input} has no rows")
    _say_errors(counts)
    return {
        "task": request.task,
        "model": request.model,
        "output": str(request.output) if request.output else None,
        "rows": counts.rows,
        "predicted": counts.predicted,
        "done_before": counts.done_before,
        "errors": len(counts.errors),
        "new_tokens": counts.new_tokens,
        "seconds": round(counts.seconds, 3),
    }


def _made_with(request: PredictionRequest, task: PredictionTask) -> dict[str, Any]:
    """What predictions depend on beside their row."""
    return {
        "task": request.task,
        "input": str(request.input),
        "model_sha256": weights_fingerprint(model_folder(request.model)),
        "column": request.column or task.column,
        **task.decisive(request.settings),
    }


def _pending(
    rows: Iterable[InputRow], out: PredictionsOut, counts: _Counts, bar: console.Progress
) -> Iterator[InputRow]:
    """The rows that still have to be answered."""
    for row in rows:
        counts.rows += 1
        counts.numbers.append(row.number)
        if out.has(row):
            counts.done_before += 1
            bar.advance()
        else:
            yield row


def _answer(
    rows: Iterator[InputRow],
    request: PredictionRequest,
    task: PredictionTask,
    out: PredictionsOut,
    counts: _Counts,
    bar: console.Progress,
) -> None:
    """Window by window: prepare, sort by length, predict in batches."""
    predictor: Predictor | None = None
    while window := list(islice(rows, _WINDOW_ROWS)):
        predictor = predictor or task.load(request)  # not loaded at all where nothing is left to do
        ready: list[tuple[InputRow, Any]] = []
        failed: list[tuple[InputRow, dict[str, Any]]] = []
        for row in window:
            try:
                ready.append((row, _prepared(predictor, row)))
            except BadInput as error:
                failed.append((row, {"prediction": None, "error": str(error)}))
        _write(failed, out, counts, bar)
        ready.sort(key=lambda pair: -predictor.length(pair[1]))
        for start in range(0, len(ready), predictor.batch_size):
            batch = ready[start : start + predictor.batch_size]
            started = time.monotonic()
            predicted = predictor.predict([prepared for _, prepared in batch], _streaming(request))
            counts.seconds += time.monotonic() - started
            answers = [(row, columns) for (row, _), columns in zip(batch, predicted, strict=True)]
            _write(answers, out, counts, bar)
        out.end_window()
    out.finish(counts.numbers)


def _prepared(predictor: Predictor, row: InputRow) -> Any:
    if row.error is not None:
        raise BadInput(row.error)
    return predictor.prepare(row)


def _write(
    answers: list[tuple[InputRow, dict[str, Any]]],
    out: PredictionsOut,
    counts: _Counts,
    bar: console.Progress,
) -> None:
    if not answers:
        return
    out.write(answers)
    for row, columns in answers:
        if "error" in columns:
            counts.errors.append(f"row {row.number}: {columns['error']}")
        else:
            counts.predicted += 1
        counts.new_tokens += columns.get("new_tokens", 0)
    bar.advance(len(answers))


def _say_errors(counts: _Counts) -> None:
    """Name the first rows in error; stop if there are no others."""
    if not counts.errors:
        return
    for text in counts.errors[:_ERRORS_SHOWN]:
        console.warn(text)
    if len(counts.errors) > _ERRORS_SHOWN:
        console.warn(f"and {len(counts.errors) - _ERRORS_SHOWN:,} more rows in error")
    if len(counts.errors) == counts.rows:
        raise DataError(
            f"none of the {counts.rows:,} rows could be answered; the first: {counts.errors[0]}"
        )


def _streaming(request: PredictionRequest) -> Callable[[str], None] | None:
    """A single prompt typed at a terminal is answered there, token by token."""
    return _show if request.streams else None


def _show(text: str) -> None:
    sys.stdout.write(console.clean(text))
    sys.stdout.flush()
