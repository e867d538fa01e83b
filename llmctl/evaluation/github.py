"""What GitHub Actions shows of an evaluation: annotations, and the summary of the step."""

from __future__ import annotations

import os
from pathlib import Path

from llmctl import console
from llmctl.evaluation.gates import GateResult
from llmctl.evaluation.markdown import markdown
from llmctl.evaluation.results import EvaluationResult

MOST_ANNOTATIONS = 10
"""GitHub shows so many of a step."""
_LARGEST_SUMMARY_BYTES = 1 << 20


def in_github_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error_lines(result: EvaluationResult) -> list[str]:
    """`::error` commands, one a line: failed gates, the worst first, then undecided ones; where
    there are more than GitHub shows, the last line counts those left out."""
    problems = sorted((held for held in result.gates if held.verdict != "passed"), key=_rank)
    lines = [_error(f"{result.title}: {one.gate}", one.detail) for one in problems]
    if result.outcome.undecided:
        lines.append(_error(f"{result.title}: no verdict", result.outcome.undecided))
    if len(lines) > MOST_ANNOTATIONS:
        left_out = len(lines) - MOST_ANNOTATIONS + 1
        more = f"and {left_out} more gates did not pass; all of them are in the report"
        lines[MOST_ANNOTATIONS - 1 :] = [_error(result.title, more)]
    return lines


def add_to_summary(result: EvaluationResult) -> None:
    """Append the report to the summary of the step, where GitHub names its file. A file that cannot
    be written is warned of: it must not change the verdict of a build."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    page = markdown(result).encode("utf-8") + b"\n"
    path = Path(name)
    try:
        if (path.stat().st_size if path.exists() else 0) + len(page) > _LARGEST_SUMMARY_BYTES:
            console.warn("the step summary is full: GitHub takes 1 MiB")
            return
        with path.open("ab") as stream:
            stream.write(page)
    except OSError as error:
        console.warn(f"cannot write the step summary {name}: {error.strerror}")


def _rank(held: GateResult) -> tuple[bool, float]:
    return held.verdict != "failed", -held.distance


def _error(title: str, message: str) -> str:
    r"""
    >>> _error("a: b, c", "100%\nfailed")
    '::error title=a%3A b%2C c::100%25%0Afailed'
    """
    name = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::error title={name}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return console.clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
