"""What a person and a script see."""

from __future__ import annotations

import pytest

from llmctl import console
from llmctl.errors import DataError, Problem, RecipeError


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("42")
    console.note("working")
    console.warn("careful")

    assert capsys.readouterr() == ("42\n", "working\nwarning: careful\n")


def test_quiet_leaves_results_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console.configure(quiet=True)
    console.result("42")
    console.note("working")
    console.warn("careful")
    console.error(DataError("bad", hint="mend it"))
    console.configure(quiet=False)

    assert capsys.readouterr() == ("42\n", "warning: careful\nerror: bad\nhint: mend it\n")


def test_other_ranks_are_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    console.result("42")
    console.error(DataError("bad"))

    assert capsys.readouterr() == ("", "")


def test_text_from_data_cannot_move_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("a\x1b[2Jb [/bold] \x07")

    assert capsys.readouterr().out == "a\\x1b[2Jb [/bold] \\x07\n"


def test_numbers_line_up_on_the_right_and_chinese_counts_double() -> None:
    assert console.table(["名", "n"], [["诗经", 12], ["a", None]]).split("\n") == [
        "名     n",
        "----  --",
        "诗经  12",
        "a      -",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (12.0, "12"), (1234.5, "1,234"), (12345.6, "12,346"), (36.6123, "36.61"),
     (0.00012345, "0.0001234"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers_are_short(value: float, shown: str) -> None:
    assert console.number(value) == shown


def test_a_recipe_error_lists_all_problems_aligned() -> None:
    failure = RecipeError(
        "mine.yaml",
        [Problem("optimizer.learning_rte", "no such setting", "mine.yaml:4"), Problem("seed", "x")],
    )

    assert failure.message.split("\n") == [
        "mine.yaml has 2 problems",
        "  optimizer.learning_rte  no such setting  (mine.yaml:4)",
        "  seed                    x",
    ]
    assert failure.exit_code == 2
