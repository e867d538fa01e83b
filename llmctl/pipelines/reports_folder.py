"""The beginning and end of every evaluation: its folder, its reports, and what people see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.errors import UsageError
from llmctl.evaluation.github import add_to_summary, error_lines, in_github_actions
from llmctl.evaluation.reports import remove_reports, table_text, write_reports
from llmctl.evaluation.results import PREDICTIONS_NAME, EvaluationResult
from llmctl.pipelines.judging import Judge, update_baseline


def prepare_reports_folder(folder: Path | None, sources: list[str]) -> None:
    """Take away an earlier evaluation's reports: a CI server could mistake them for this one's.

    Args:
        sources: files that the evaluation will read.

    Raises:
        UsageError: a file, a run folder, whose own results.json would be lost, or predictions that
            are not of an earlier report.
    """
    if folder is None:
        return
    files.check_output_folder(folder)
    if (folder / "run.json").exists():
        raise UsageError(
            f"-o {folder} is a run folder, which has a results.json of its own",
            hint=f"-o {folder / 'eval'}",
        )
    predictions = folder / PREDICTIONS_NAME
    ours = (folder / "report.md").exists() and not _settings_of(predictions).exists()
    read_now = any(Path(name).resolve() == predictions.resolve() for name in sources)
    if predictions.exists() and (read_now or not ours):
        raise UsageError(
            f"-o {folder} holds a {PREDICTIONS_NAME}, which would be lost: reports have a file of "
            "that name",
            hint=f"-o {folder / 'score'}",
        )
    remove_reports(folder)


def end(
    result: EvaluationResult, judge: Judge, output: Path | None, *, json: bool
) -> dict[str, Any]:
    """Write the reports and the baseline that were asked for, and show the result.

    Returns:
        What `results.json` holds, or would.

    Raises:
        StorageError: a file cannot be written.
    """
    content = result.as_json() if output is None else write_reports(result, output)
    updated = update_baseline(judge, result)
    if json:
        console.result_json(content)
    else:
        console.result(table_text(result))
    if output is not None:
        console.note(f"reports: {output / 'report.md'}, results.json, results.csv, junit.xml")
    if updated is not None:
        console.note(f"new baseline: {updated}")
    if in_github_actions() and console.is_main_process():
        say = console.note if json else console.result  # one JSON object alone on stdout
        for line in error_lines(result):
            say(line)
        add_to_summary(result)
    return content


def _settings_of(predictions: Path) -> Path:
    """Beside a file that `llmctl predict` wrote."""
    return predictions.with_name(predictions.name + ".settings.json")
