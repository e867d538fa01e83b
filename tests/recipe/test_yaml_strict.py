"""Strict YAML: what values mean, what is refused, and in which line."""

from __future__ import annotations

import math

import pytest

from llmctl.recipe.yaml_strict import MAX_DEPTH, parse_yaml, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E4", 1e4),
        (".5", 0.5),
        ("-1.", -1.0),
        ("3", 3),
        ("+3", 3),
        ("-0", 0),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_plain_values_follow_yaml_1_2(text: str, value: object) -> None:
    assert read_scalar(text) == value
    assert type(read_scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    (
        "no yes on Off y 012 0o17 00.5 1_000 1:30 2024-01-31 e5 0x tRue nil inf nan 1e --1 C:x "
        + "9" * 5000
    ).split(),
)
def test_everything_else_is_text(text: str) -> None:
    assert read_scalar(text) == text


def test_not_a_number_is_read() -> None:
    assert math.isnan(float(read_scalar(".nan") or 0))


def test_quotes_make_text() -> None:
    parsed = parse_yaml("a: '1'\nb: \"true\"\nc: |\n  no\nd: ''\n")

    assert parsed.value == {"a": "1", "b": "true", "c": "no\n", "d": ""}


def test_lines_are_those_of_keys_and_items() -> None:
    parsed = parse_yaml("a:\n  b: 1\n\n  c:\n  - x\n  - d: [7,\n      8]\n")

    assert parsed.value == {"a": {"b": 1, "c": ["x", {"d": [7, 8]}]}}
    assert parsed.lines == {
        "a": 1, "a.b": 2, "a.c": 4, "a.c[0]": 5, "a.c[1]": 6, "a.c[1].d": 6,
        "a.c[1].d[0]": 6, "a.c[1].d[1]": 7,
    }  # fmt: skip


def test_the_letters_of_numbers_are_kept() -> None:
    assert parse_yaml("a: 1e3\nb: [0x10, x, true, '5']").texts == {"a": "1e3", "b[0]": "0x10"}


def test_keys_are_text() -> None:
    assert parse_yaml("1: a\ntrue: b\n").value == {"1": "a", "true": "b"}


@pytest.mark.parametrize(
    ("text", "path", "said", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", "given twice; the first is in line 1", 3),
        ("a:\n  b: 1\n  b: {c: 1}\n", "a.b", "given twice; the first is in line 2", 3),
        ("a: 1\nb: &x 2\n", "b", "anchors (&x) are not read", 2),
        ("a:\n- 1\n- *x\n", "a[1]", "aliases (*x) are not read; quote the text", 3),
        ("a: 1\n<<: {b: 2}\n", "", "merge keys (<<) are not read", 2),
        ("a: !!int 3\n", "a", "tags (!!int) are not read", 1),
        ("a: !python/object x\n", "a", "tags (!python/object) are not read", 1),
        ("a: 1\n---\nb: 2\n", "", "a second document ('---')", 2),
        ("a: 1\n? [x]\n: 2\n", "", "a key must be a text", 2),
        ("a: 1\n'': 2\n", "", "a key is missing before ':'", 2),
        ("a: 1\nb: \x07\n", "", "holds a control character, U+0007", 2),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, path: str, said: str, line: int) -> None:
    (problem,) = parse_yaml(text).problems

    assert (problem.path, problem.line) == (path, line)
    assert said in problem.text


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("a: 1\n\tb: 2\n", "indent with spaces, not with tabs", 2),
        ("a: 'x\nb: 1\n", "a quote is opened here and not closed", 1),
        ("a: 1\nb: @x\n", "a text that begins with a special sign needs quotes", 2),
        ("a: 1\nb: *.txt\n", "a text that begins with '*' needs quotes", 2),
        ("a: [1, 2\nb: 3\n", "a list is opened here with '[' and not closed", 1),
        ("a: {x: 1\nb: 3\n", "a section is opened here with '{' and not closed", 1),
        ("a: b: c\n", "a second ':' in one line", 1),
        ("a: x\n  b: y\n", "a second ':' in one line", 2),
        ("a:\n  b: 1\n c: 2\n", "the indentation does not fit the lines above", 3),
        ("a: 1\nb\nc: 2\n", "a ':' is missing after a key", 2),
        ("a: - b\n", "a list item ('- ') begins on a line of its own", 1),
        ("a: [b]]\n", "a ']' too many", 1),
        ('a: "C:\\q"\n', "an unknown '\\' escape in double quotes; use single quotes", 1),
    ],
)
def test_syntax_errors_are_said_in_plain_words(text: str, said: str, line: int) -> None:
    (problem,) = parse_yaml(text).problems

    assert said in problem.text
    assert problem.line == line


def test_after_a_refusal_the_rest_is_still_read() -> None:
    parsed = parse_yaml("a: 1\na: 2\nb: &x [3]\nc: *x\n")

    assert parsed.value == {"a": 1, "b": [3], "c": None}
    assert len(parsed.problems) == 3


def test_a_bomb_of_aliases_stays_small() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    parsed = parse_yaml("\n".join(lines))

    assert parsed.value["a8"] == [None] * 9


def test_depth_is_bounded() -> None:
    allowed = parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    deep = [parse_yaml(f"{before}{'[' * 50_000}") for before in ("", "a: 1\na: ", "? ")]

    assert allowed.problems == []
    for parsed in deep:
        assert parsed.problems[-1].text == f"nested more than {MAX_DEPTH} levels deep"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "%YAML 1.2\n---\n"])
def test_nothing_is_null(text: str) -> None:
    parsed = parse_yaml(text)

    assert (parsed.value, parsed.problems) == (None, [])
