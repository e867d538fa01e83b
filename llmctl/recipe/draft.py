"""A recipe on its way to being checked: plain data, where it was written, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llmctl.errors import Problem
from llmctl.recipe.yaml_strict import Key, dotted

COMMAND_LINE = "command line"
WHOLE = "recipe"
"""The path shown for a rule that concerns the recipe as a whole."""


@dataclass
class Draft:
    """Plain data with the origin of every value."""

    source: str
    """The file, as a person would type it."""
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Dotted path → line, as in `Parsed`."""
    texts: dict[str, str] = field(default_factory=dict)
    """Dotted path → the letters of a number, as in `Parsed`."""
    overridden: dict[str, Any] = field(default_factory=dict)
    """Dotted path → value, of what the command line replaced."""
    problems: list[tuple[float, Problem]] = field(default_factory=list)
    """With the line of each, by which they are sorted."""

    def complain(self, keys: Sequence[Key], text: str) -> None:
        """Note a problem, once for a place: a later one there follows from the first."""
        path = dotted(keys) or WHOLE
        if not any(problem.path == path for _, problem in self.problems):
            line, where = self.origin(keys)
            self.problems.append((line, Problem(path, text, where)))

    def complain_at_line(self, path: str, text: str, line: int) -> None:
        self.problems.append((line, Problem(path, text, f"{self.source}:{line}")))

    def complain_of_word(self, path: str, text: str) -> None:
        self.problems.append((float("inf"), Problem(path, text, COMMAND_LINE)))

    def sorted_problems(self) -> list[Problem]:
        """In the order of the file's lines, those of the command line last."""
        return [problem for _, problem in sorted(self.problems, key=lambda item: item[0])]

    def origin(self, keys: Sequence[Key]) -> tuple[float, str]:
        """The line in which a value, or the nearest section around it, was written."""
        for length in range(len(keys), 0, -1):
            path = dotted(keys[:length])
            if path in self.overridden:
                return float("inf"), COMMAND_LINE
            if path in self.lines:
                return self.lines[path], f"{self.source}:{self.lines[path]}"
            if any(word.startswith(f"{path}.") for word in self.overridden):
                return float("inf"), COMMAND_LINE
        return 0, self.source

    def replace(self, path: str, value: Any, data: dict[str, Any], texts: dict[str, str]) -> None:
        """Take data in which the command line replaced the value at one path."""
        self.data = data
        self.overridden[path] = value
        kept = {key: text for key, text in self.texts.items() if not _is_at(key, path)}
        self.texts = kept | texts


def _is_at(key: str, path: str) -> bool:
    return key == path or key.startswith((f"{path}.", f"{path}["))
