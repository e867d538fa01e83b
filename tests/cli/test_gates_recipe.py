"""Gates in a recipe file: read strictly, joined with what was typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

Llmctl = Callable[..., Outcome]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "preds.jsonl"
    said = [{"prediction": "a b c d e", "reference": "a b c d f"}] * 20
    path.write_text("".join(json.dumps(row) + "\n" for row in said))
    return path


def recipe(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(f"schema: 1\ncommand: gates\n{text}")
    return path


def gates_of(outcome: Outcome) -> dict[str, str]:
    return {gate["gate"]: gate["verdict"] for gate in json.loads(outcome.out)["gates"]}


def test_gates_are_read_from_a_file_and_name_the_metrics(
    llmctl: Llmctl, rows: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base.json"
    words = ("score", rows, "--json", "--metric", "bleu", "--metric", "chrf")
    assert llmctl(*words, "--baseline", base, "--update-baseline").code == 0
    path = recipe(
        tmp_path,
        f"gates: [bleu>=10, chrf>=99]\nbaseline: {base}\nmax_drop: {{bleu: 0.5, chrf: 2%}}\n"
        "significant: 0.05\n",
    )
    outcome = llmctl("score", rows, "--json", "--gates", path)
    assert outcome.code == 3
    assert gates_of(outcome) == {
        "bleu >= 10": "passed", "chrf >= 99": "failed", "bleu drop <= 0.5": "passed",
        "chrf drop <= 2%": "passed",
    }  # fmt: skip
    typed = llmctl(*words, "--gates", path, "--max-drop", "bleu=0.1", "--gate", "bleu>=11")
    assert list(gates_of(typed)) == [
        "bleu >= 10", "chrf >= 99", "bleu >= 11", "chrf drop <= 2%", "bleu drop <= 0.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gate: [bleu>=10]\n", "gates"),
        ("significant: 5\n", "significant"),
        ("max_drop: 0.5\n", "max_drop"),
        ("gates: [bleu=>10]\n", "cannot be read"),
        ("baseline: none.json\nmax_drop: {bleu: much}\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe_of_gates_is_code_2(
    llmctl: Llmctl, rows: Path, tmp_path: Path, text: str, said: str
) -> None:
    path = recipe(tmp_path, text)
    outcome = llmctl("score", rows, "--metric", "bleu", "--gates", path)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_recipe_of_something_else_is_refused(llmctl: Llmctl, rows: Path) -> None:
    assert llmctl("score", rows, "--metric", "bleu", "--gates", "gpt-tiny").code == 2
    assert llmctl("score", rows, "--metric", "bleu", "--gates", "no-such.yaml").code == 66


def test_a_file_of_gates_can_be_checked_like_any_recipe(llmctl: Llmctl, tmp_path: Path) -> None:
    assert llmctl("recipe", "check", recipe(tmp_path, "gates: [bleu>=10]\n")).code == 0
    assert "significant" in llmctl("recipe", "settings", "gates").out
