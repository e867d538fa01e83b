"""The result of an evaluation for people and machines: a table, and files in a folder."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import orjson

from llmctl import console, files
from llmctl.evaluation.junit import junit_xml
from llmctl.evaluation.markdown import markdown
from llmctl.evaluation.outcome import Examples
from llmctl.evaluation.results import PREDICTIONS_NAME, RESULTS_NAME, EvaluationResult
from llmctl.evaluation.tables import (
    gate_tables,
    metric_table,
    notes_of,
    signatures_of,
    yardstick_table,
)

REPORT_NAMES = (RESULTS_NAME, PREDICTIONS_NAME, "results.csv", "junit.xml", "report.md")
"""In the order in which they are taken away: while predictions are there, so is the report."""
_CSV_COLUMNS = (
    "metric", "value", "low", "high", "unit", "higher_is_better", "n", "signature", "null_reason",
)  # fmt: skip


def write_reports(result: EvaluationResult, folder: Path) -> dict[str, Any]:
    """Write `report.md`, `junit.xml`, `results.csv`, `predictions.jsonl` where examples are kept,
    and, last, `results.json`, each whole or not at all.

    Returns:
        What `results.json` holds.

    Raises:
        StorageError: the folder cannot be written.
    """
    files.write_text(folder / "report.md", markdown(result))
    files.write_text(folder / "junit.xml", junit_xml(result))
    files.write_text(folder / "results.csv", csv_text(result))
    where = None
    if result.outcome.examples is not None:
        lines = example_lines(result.outcome.examples)
        files.write_bytes(folder / PREDICTIONS_NAME, lines)
        where = {"sha256": hashlib.sha256(lines).hexdigest()}
    content = result.as_json(where)
    files.write_json(folder / RESULTS_NAME, content)
    return content


def remove_reports(folder: Path) -> None:
    """Take away an earlier evaluation's files, which a CI server could mistake for this one's."""
    for name in REPORT_NAMES:
        (folder / name).unlink(missing_ok=True)


def example_lines(examples: Examples) -> bytes:
    """The rows of examples as JSON lines."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in examples.rows)


def table_text(result: EvaluationResult) -> str:
    """What a person sees at the end: numbers, yardsticks, gates, notes, signature."""
    parts = [console.table(*metric_table(result))]
    if result.outcome.yardsticks:
        parts.append(console.table(*yardstick_table(result)))
    parts += [console.table(columns, rows) for columns, rows in gate_tables(result)]
    parts += [f"note: {note}" for note in notes_of(result)]
    first, *own = signatures_of(result)
    parts.append("\n".join([f"signature: {first}", *(f"  {line}" for line in own)]))
    return "\n\n".join(parts)


def csv_text(result: EvaluationResult) -> str:
    """A row for each number at full precision, for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for one in result.outcome.metrics:
        low, high = one.interval or (None, None)
        writer.writerow(
            [one.name, one.value, low, high, one.unit, one.higher_is_better, one.n,
             one.signature or result.signature, one.null_reason]
        )  # fmt: skip
    return text.getvalue()
