"""`key.path=value` words: what they mean, and how they change a recipe's data.

- the path and the value part at the first `=`; `key.path=` is null
- a value that begins with `[` or `{` is a list or section: `data.train=[a.txt, b.txt]`
- a value in quotes (inside the shell's own) is text: `title='"2024"'`
- any other value is read like an unquoted YAML value; nothing in it is special, so that
  `data.train=my book.txt`, `C:x`, `a: b`, `*.txt` and `#1` are just text
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llmctl.recipe.words import value_in_words
from llmctl.recipe.yaml_strict import Parsed, dotted, parse_yaml, read_scalar

_PATH = re.compile(r"[^\s.=\[\]{}]+(\.[^\s.=\[\]{}]+)*")


class OverrideError(ValueError):
    """What is wrong with one word; `path` is as much of it as names a setting."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


@dataclass(frozen=True)
class Override:
    """One setting to replace."""

    keys: tuple[str, ...]
    value: Any
    texts: dict[str, str] = field(default_factory=dict)
    """As in `Parsed.texts`, with the full dotted paths."""


def read_override(word: str) -> Override:
    """
    >>> read_override("budget.tokens=1e6").value, read_override("title=a: b").value
    (1000000.0, 'a: b')

    Raises:
        OverrideError: the word is not `key.path=value`, or its list or section is not closed.
    """
    path, sign, text = word.partition("=")
    path = path.strip()
    if not sign:
        raise OverrideError(word, f"write it as {path or 'key.path'}=value")
    if not _PATH.fullmatch(path):
        raise OverrideError(word, "the part before '=' must be key.path, such as data.train")
    parsed = _read_value(text.strip())
    if parsed.problems:
        reason = parsed.problems[0].text
        raise OverrideError(path, f"{reason}; a text that begins with {text.strip()[0]!r} needs "
                            "quotes inside the shell's quotes")  # fmt: skip
    keys = tuple(path.split("."))
    texts = {f"{path}{'.' if key[:1] not in ('', '[') else ''}{key}": letters
             for key, letters in parsed.texts.items()}  # fmt: skip
    return Override(keys, parsed.value, texts)


def _read_value(text: str) -> Parsed:
    if text[:1] in ("[", "{"):
        return parse_yaml(text)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        quoted = parse_yaml(text)
        if isinstance(quoted.value, str) and not quoted.problems:
            return quoted
    value = read_scalar(text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Parsed(value, texts={"": text} if is_number else {})


def apply_override(data: dict[str, Any], override: Override) -> dict[str, Any]:
    """A copy of the data with one setting replaced; missing sections on the way are made.

    >>> apply_override({"data": {"train": "a"}}, Override(("data", "train"), "b"))
    {'data': {'train': 'b'}}

    Raises:
        OverrideError: what should be a section holds a value.
    """
    return _apply(data, override.keys, override.value, ())


def _apply(
    data: dict[str, Any], keys: Sequence[str], value: Any, above: tuple[str, ...]
) -> dict[str, Any]:
    key, *rest = keys
    if not rest:
        return {**data, key: value}
    below = data.get(key)
    if below is not None and not isinstance(below, dict):
        raise OverrideError(
            dotted((*above, *keys)),
            f"{dotted((*above, key))} is {value_in_words(below)}, which has no settings below it",
        )
    return {**data, key: _apply(below or {}, rest, value, (*above, key))}
