"""Everything a person or a script sees: results on stdout, the rest on stderr, rank 0 only.

Text that comes from data is printed as it is: no markup is read in it, and control characters are
shown as escapes, so that a document cannot colour or move the terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from llmctl.errors import LlmctlError

_quiet = False
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PLAIN_PROGRESS_SECONDS = 5.0


def configure(*, quiet: bool = False) -> None:
    """Set once by the command line: `quiet` leaves results, warnings and errors."""
    global _quiet
    _quiet = quiet


def is_main_process() -> bool:
    """Only rank 0 speaks. Read from the environment, since errors may come before the group."""
    return os.environ.get("RANK", "0") == "0"


def is_terminal() -> bool:
    return sys.stderr.isatty()


def is_quiet() -> bool:
    return _quiet


def clean(text: str) -> str:
    r"""Text with its control characters shown as escapes; newlines and tabs stay.

    >>> clean("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def stderr() -> Console:
    """The rich console for panels and progress; wide enough for a log when not a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if is_terminal() else 120)


def result(text: str = "") -> None:
    """A result, on stdout: what a script would read."""
    if is_main_process():
        sys.stdout.write(clean(text) + "\n")
        sys.stdout.flush()


def result_json(value: Any) -> None:
    """One JSON object on stdout."""
    result(json.dumps(value, ensure_ascii=False, allow_nan=False))


def note(text: str) -> None:
    """Progress for a person, on stderr; silent with --quiet."""
    if is_main_process() and not _quiet:
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    if is_main_process():
        sys.stderr.write(f"warning: {clean(text)}\n")
        sys.stderr.flush()


def error(failure: LlmctlError) -> None:
    """An expected failure: what, where, what was expected; and something to type."""
    if is_main_process():
        sys.stderr.write(f"error: {clean(failure.message)}\n")
        if failure.hint:
            sys.stderr.write(f"hint: {clean(failure.hint)}\n")
        sys.stderr.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> str:
    """Rows as aligned text. Numbers line up on the right; wide (Chinese) characters count as two.

    >>> print(table(["name", "steps"], [["a", 5], ["诗", 120]]))
    name  steps
    ----  -----
    a         5
    诗      120
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(columns))
    ]
    widths = [
        max([_width(column), *(_width(row[i]) for row in cells)])
        for i, column in enumerate(columns)
    ]
    lines = [_line(columns, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in cells]
    return "\n".join([title, *lines] if title else lines)


def number(value: float, digits: int = 4) -> str:
    """A number for a person: `digits` significant figures, thousands separated.

    >>> number(1234567.0), number(0.00012345), number(36.6)
    ('1,234,567', '0.0001234', '36.6')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if float(value).is_integer() and abs(value) >= 1:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """
    >>> duration(75), duration(5), duration(7384)
    ('1m 15s', '5s', '2h 03m')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    return f"{seconds // 3600}h {seconds % 3600 // 60:02d}m"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return clean(str(value))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [
        " " * (width - _width(cell)) + cell if on_right else cell + " " * (width - _width(cell))
        for cell, width, on_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(parts).rstrip()


def _width(text: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class Progress:
    """A handle to advance; see `progress`."""

    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0.0
        self._start = self._last = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self.done += amount

    def _describe(self) -> str:
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / elapsed
        share = (
            f" of {number(self.total)} ({100 * self.done / self.total:.0f}%)" if self.total else ""
        )
        left = ""
        if self.total and rate > 0:
            left = f", {duration(max(self.total - self.done, 0) / rate)} left"
        return f"{self.label}: {number(self.done)}{share} {self.unit}, {number(rate)}/s{left}"


class _PlainProgress(Progress):
    """One line every few seconds, for logs and pipes."""

    def advance(self, amount: float = 1) -> None:
        super().advance(amount)
        if time.monotonic() - self._last >= _PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            note(self._describe())


@contextmanager
def progress(label: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
    """Show a long step with rate and time left: a bar on a terminal, plain lines otherwise.

    Yields a handle whose `advance(amount)` is called as work gets done.
    """
    if _quiet or not is_main_process() or not is_terminal():
        handle: Progress = _PlainProgress(label, total, unit)
        yield handle
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(compact=True), console=stderr(), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task(label, total=total, said="")

        class _Bar(Progress):
            def advance(self, amount: float = 1) -> None:
                super().advance(amount)
                rate = self.done / max(time.monotonic() - self._start, 1e-9)
                bar.update(task, completed=self.done, said=f"{number(rate)} {self.unit}/s")

        yield _Bar(label, total, unit)
