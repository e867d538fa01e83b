"""Strict YAML: the core of YAML 1.2, where a value means what it looks like, and nothing is clever.

PyYAML's own loader reads `1e-4` as text, `no` as false and `012` as ten, lets the last of two equal
keys win, and lets nine aliases grow into a billion values. Only its parser is used here; the values
are built from its events:

- `null`, `~` and nothing are null; `true` and `false` are the only booleans; `no`, `on` are text
- `3`, `-7`, `0x1f` are whole numbers; `1.5`, `1e-4`, `.5` are numbers
- `012`, `1_000` and `2024-01-31` are text: nothing is octal, no digit is dropped
- two equal keys, anchors, aliases, merge keys and tags are refused
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from llmctl.recipe.yaml_mistakes import plain_words

Key = str | int
MAX_DEPTH = 16

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True}
_BOOLEANS |= {"false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_LONGEST_NUMBER = 64  # letters; a longer one is text, for a field that wants a number to refuse
NUMBER = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True)
class YamlProblem:
    """One thing wrong in a YAML text, and where."""

    path: str
    """The dotted path it belongs to; empty when the parser could not tell."""
    text: str
    line: int


@dataclass
class Parsed:
    """Plain data (dict, list, str, int, float, bool, None) and where each value stood."""

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    """Dotted path → line of its key, counted from 1: `{"data.train": 4, "data.train[0]": 5}`."""
    texts: dict[str, str] = field(default_factory=dict)
    """Dotted path → the letters in which a number was written: a text field wants those."""
    problems: list[YamlProblem] = field(default_factory=list)


def dotted(keys: Sequence[Key]) -> str:
    """
    >>> dotted(["data", "train", 0])
    'data.train[0]'
    """
    path = ""
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path


def read_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted text means by the rules above.

    >>> [read_scalar(text) for text in ["1e-4", "3", "012", "no", "true", "~", "C:x"]]
    [0.0001, 3, '012', 'no', True, None, 'C:x']
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if NUMBER.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def parse_yaml(text: str) -> Parsed:
    """Read one YAML document. Problems are collected, not raised; a syntax error ends the reading.

    >>> parse_yaml("data:\\n  train: [a.txt, 7]").value
    {'data': {'train': ['a.txt', 7]}}
    """
    parsed = Parsed()
    try:
        _Reader(text, parsed).read()
    except _TooDeep as stop:
        line = stop.args[0].start_mark.line + 1
        parsed.problems.append(YamlProblem("", f"nested more than {MAX_DEPTH} levels deep", line))
    except yaml.MarkedYAMLError as error:
        parsed.problems.append(YamlProblem("", *plain_words(error)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        letter = f"U+{int(error.character):04X}"
        parsed.problems.append(YamlProblem("", f"holds a control character, {letter}", line))
    return parsed


class _TooDeep(Exception):
    """Ends the reading: the parser's time grows with the square of the depth."""


class _Reader:
    """Builds plain data from the parser's events."""

    def __init__(self, text: str, parsed: Parsed) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self._parsed = parsed

    def read(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, (), "a second document ('---'); one file holds one recipe")
                    return
            elif isinstance(event, yaml.NodeEvent):
                self._parsed.value = self._value(event, ())

    def _refuse(self, event: Any, keys: tuple[Key, ...], text: str) -> None:
        line = event.start_mark.line + 1
        self._parsed.problems.append(YamlProblem(dotted(keys), text, line))

    def _value(self, event: Any, keys: tuple[Key, ...]) -> Any:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, keys, f"aliases (*{event.anchor}) are not read; quote the text")
            return None
        if event.anchor is not None:
            self._refuse(event, keys, f"anchors (&{event.anchor}) are not read; quote the text")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(event, keys, f"tags ({tag}) are not read; quote the text")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, keys)
        if len(keys) >= MAX_DEPTH:
            raise _TooDeep(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(keys)
        return self._mapping(keys)

    def _scalar(self, event: yaml.ScalarEvent, keys: tuple[Key, ...]) -> Any:
        text: str = event.value
        if event.style is not None:
            return text
        value = read_scalar(text)
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._parsed.texts[dotted(keys)] = text
        return value

    def _list(self, keys: tuple[Key, ...]) -> list[Any]:
        values: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            here = (*keys, len(values))
            self._parsed.lines[dotted(here)] = event.start_mark.line + 1
            values.append(self._value(event, here))
        return values

    def _mapping(self, keys: tuple[Key, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, keys)
            content = next(self._events)
            here = (*keys, key or "")
            if key is None or key in values:
                if key is not None:
                    first = self._parsed.lines[dotted(here)]
                    self._refuse(event, here, f"given twice; the first is in line {first}")
                self._skip(content)
                continue
            self._parsed.lines[dotted(here)] = event.start_mark.line + 1
            values[key] = self._value(content, here)
        return values

    def _key(self, event: Any, keys: tuple[Key, ...]) -> str | None:
        """A key as text, or None when it is refused."""
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, keys, "a key must be a text")
            self._skip(event)
            return None
        text: str = event.value
        if event.style is None and text == "<<":
            self._refuse(event, keys, "merge keys (<<) are not read; write the settings out")
            return None
        if event.anchor is not None or event.tag is not None:
            self._refuse(event, keys, f"anchors and tags are not read (key {text!r})")
        if not text:
            self._refuse(event, keys, "a key is missing before ':'")
            return None
        return text

    def _skip(self, event: Any) -> None:
        """Pass over the rest of a list or mapping that has just begun."""
        open_collections = int(isinstance(event, yaml.CollectionStartEvent))
        while open_collections:
            event = next(self._events)
            open_collections += isinstance(event, yaml.CollectionStartEvent)
            open_collections -= isinstance(event, yaml.CollectionEndEvent)
            if open_collections > MAX_DEPTH:
                raise _TooDeep(event)
