"""Gates on drops of every finetuned task: what is kept of its answers gives its numbers again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finetune_runs import CASES, TaskCase, straight_run

Llmctl = Callable[..., Any]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory, case: TaskCase) -> Path:
    return straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_model_does_not_drop_against_itself(
    llmctl: Llmctl, run: Path, tmp_path: Path, case: TaskCase
) -> None:
    rows = next((run.parent / "recipes").glob(f"{case}-held-out.*"))
    words = ("eval", run, "--data", rows, "--baseline", tmp_path / "base.json", "--json")
    first = llmctl(*words, "--update-baseline")
    assert first.code == 0, first.err
    names = [
        name
        for name, metric in json.loads(first.out)["metrics"].items()
        if metric["value"] is not None and name != "loss"
    ]
    drops = [word for name in names for word in ("--max-drop", f"{name}=0")]
    again = llmctl(*words, *drops, "--significant", "0.05")
    assert again.code == 0, again.err
    gates = json.loads(again.out)["gates"]
    assert [(gate["drop"], gate["p"], gate["examples"]) for gate in gates] == [
        (0.0, 1.0, 21)
    ] * len(names)


def test_fewer_rows_are_other_examples(
    llmctl: Llmctl, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    run = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", CASES[0])
    rows = run.parent / "recipes" / "classes-held-out.jsonl"
    words = ("eval", run, "--data", rows, "--baseline", tmp_path / "base.json")
    assert llmctl(*words, "--update-baseline").code == 0
    outcome = llmctl(*words, "--limit", 20, "--max-drop", "accuracy=1")
    assert outcome.code == 4
    assert "was measured on 21 examples, not 20" in outcome.err
