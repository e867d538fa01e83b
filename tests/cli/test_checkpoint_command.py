"""`llmctl checkpoint` on a run folder made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmctl import files
from llmctl.training import checkpoints


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five checkpoints; the best is step 2, the last step 5."""
    folder = tmp_path / "run"
    folder.mkdir()
    files.write_json(folder / "run.json", {"status": "finished"})
    for step in range(1, 6):
        content = {"state": {"last_validation": 3.0 - step / 10}}
        checkpoints.commit(
            folder / "checkpoints", step,
            lambda path, content=content: files.write_json(path / "state.json", content),
        )  # fmt: skip
    for name, step in (("best", 2), ("last", 5)):
        files.replace_link(folder / name, f"checkpoints/{checkpoints.folder_name(step)}")
    return folder


def damage(run: Path, step: int) -> None:
    (run / "checkpoints" / checkpoints.folder_name(step) / "state.json").write_text("{}")


def steps(run: Path) -> list[int]:
    return [found.step for found in checkpoints.list_checkpoints(run / "checkpoints")]


def test_list_shows_steps_losses_and_marks(llmctl: Callable[..., Any], run: Path) -> None:
    outcome = llmctl("checkpoint", "list", run, "--json")

    rows = json.loads(outcome.out)
    assert [(row["step"], row["marks"]) for row in rows] == [
        (1, []), (2, ["best"]), (3, []), (4, []), (5, ["last"])
    ]  # fmt: skip
    assert rows[1]["validation_loss"] == pytest.approx(2.8)
    assert "2.8000           best" in llmctl("checkpoint", "list", run).out


def test_verify_says_good_or_what_is_damaged(llmctl: Callable[..., Any], run: Path) -> None:
    assert llmctl("checkpoint", "verify", run).code == 0
    damage(run, 3)

    outcome = llmctl("checkpoint", "verify", run)

    assert outcome.code == 65
    assert "state.json has 2 bytes" in outcome.out
    assert "1 of 5 checkpoints are damaged" in outcome.err


def test_verify_is_76_when_none_is_good(llmctl: Callable[..., Any], run: Path) -> None:
    for step in range(1, 6):
        damage(run, step)

    assert llmctl("checkpoint", "verify", run).code == 76


def test_prune_keeps_the_best_the_last_and_two_good_ones(
    llmctl: Callable[..., Any], run: Path
) -> None:
    assert llmctl("checkpoint", "prune", run, "--dry-run").out.startswith("2 would be deleted")
    assert steps(run) == [1, 2, 3, 4, 5]

    outcome = llmctl("checkpoint", "prune", run)

    assert "steps 1, 3" in outcome.out
    assert steps(run) == [2, 4, 5]


def test_prune_does_not_count_damaged_ones(llmctl: Callable[..., Any], run: Path) -> None:
    damage(run, 4)
    llmctl("checkpoint", "prune", run)

    assert steps(run) == [2, 3, 4, 5]  # 3 and 5 are the two good ones; 4 is left to be looked at


def test_a_folder_that_is_no_run_is_66(llmctl: Callable[..., Any], tmp_path: Path) -> None:
    outcome = llmctl("checkpoint", "list", tmp_path)

    assert outcome.code == 66
    assert "is not a run folder" in outcome.err
