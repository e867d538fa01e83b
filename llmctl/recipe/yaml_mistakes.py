"""What the YAML parser complains about, in plain words and at the line to look at."""

from __future__ import annotations

import yaml

# What the parser says, what it means, and whether the place where it began reading is the culprit.
_SYNTAX = (
    ("unknown escape", "an unknown '\\' escape in double quotes; use single quotes", False),
    ("a quoted scalar", "a quote is opened here and not closed", True),
    ("'\\t'", "indent with spaces, not with tabs", False),
    ("that cannot start any token", "a text that begins with a special sign needs quotes", False),
    ("scanning an alias", "a text that begins with '*' needs quotes", False),
    ("scanning an anchor", "a text that begins with '&' needs quotes", False),
    ("tag", "a text that begins with '!' needs quotes", False),
    ("directive", "a line that begins with '%' needs quotes", False),
    ("flow sequence", "a list is opened here with '[' and not closed, or lacks a ','", True),
    ("flow mapping", "a section is opened here with '{' and not closed, or lacks a ','", True),
    ("mapping values", "a second ':' in one line: quote the text, or mend the indentation", False),
    ("could not find expected ':'", "a ':' is missing after a key", True),
    ("node content", "a value is missing here", False),
    ("entries are not allowed", "a list item ('- ') begins on a line of its own", False),
    ("found ']'", "a ']' too many", False),
    ("found '}'", "a '}' too many", False),
    ("block", "the indentation does not fit the lines above", False),
)


def plain_words(error: yaml.MarkedYAMLError) -> tuple[str, int]:
    """What is wrong, and in which line (counted from 1) the mistake most likely is."""
    said = f"{error.context or ''} {error.problem or ''}"
    begin = error.context_mark or error.problem_mark
    end = error.problem_mark or begin
    for words, text, at_begin in _SYNTAX:
        if words in said:
            mark = begin if at_begin else end
            return text, mark.line + 1 if mark else 1
    return f"not YAML: {error.problem or error.context}", end.line + 1 if end else 1
