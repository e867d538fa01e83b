"""Everything that can go wrong in a way a user can mend, with its exit code.

    LlmctlError            1   (never raised itself)
    ├── UsageError         2   words on the command line
    │   └── RecipeError    2   problems in a recipe, all at once
    ├── GateFailed         3   a measured value is on the wrong side of a gate
    ├── GateUndecided      4   a gate's value is missing, not finite or not comparable
    ├── DataError         65   bad data over the limit
    ├── InputMissing      66   a file, folder or column that is not there
    ├── NetworkError      69   network or Hub
    ├── StorageError      74   disk full or I/O failure
    ├── Stopped           75   stopped on request; the same command resumes
    ├── CheckpointError   76   checkpoints exist but none is valid
    ├── SafetyError       77   refused for safety
    ├── SettingsMismatch  78   the run folder belongs to other settings
    ├── Diverged          79   the loss is no longer finite
    └── Locked            80   another process works on this run folder

0 means done, 1 a bug (its traceback is kept) and 130 interrupted. A message says what was found,
where, and what was expected; a hint is something that can be typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXIT_DONE = 0
EXIT_BUG = 1
EXIT_INTERRUPTED = 130


class LlmctlError(Exception):
    """An expected failure: shown as `error:` and `hint:`, without a traceback."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LlmctlError):
    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a recipe: the dotted `path` of the setting, and what is wrong with it."""

    path: str
    text: str
    source: str = ""
    """Where the value was written: `FILE:LINE`, or `command line`."""


class RecipeError(UsageError):
    """All problems of one recipe at once."""

    def __init__(
        self, source: str | Path, problems: Sequence[Problem], hint: str | None = None
    ) -> None:
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        width = max((len(problem.path) for problem in self.problems), default=0)
        lines = [
            f"  {problem.path.ljust(width)}  {problem.text}"
            + (f"  ({problem.source})" if problem.source else "")
            for problem in self.problems
        ]
        super().__init__("\n".join([f"{source} has {count}", *lines]), hint)


class GateFailed(LlmctlError):
    exit_code = 3


class GateUndecided(LlmctlError):
    exit_code = 4


class DataError(LlmctlError):
    exit_code = 65


class InputMissing(LlmctlError):
    exit_code = 66


class NetworkError(LlmctlError):
    exit_code = 69


class StorageError(LlmctlError):
    exit_code = 74


class Stopped(LlmctlError):
    exit_code = 75


class CheckpointError(LlmctlError):
    exit_code = 76


class SafetyError(LlmctlError):
    exit_code = 77


class SettingsMismatch(LlmctlError):
    exit_code = 78


class Diverged(LlmctlError):
    exit_code = 79


class Locked(LlmctlError):
    exit_code = 80
