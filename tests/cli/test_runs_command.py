"""`llmctl runs` reads run folders, whole, damaged or still at work."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

from llmctl.pipelines.run_summary import read_run
from llmctl.pipelines.runs import curve, next_command, run_text

Llmctl = Callable[..., Outcome]


def make_run(folder: Path, *, lines: list[dict[str, Any]] | None = None, **record: Any) -> Path:
    folder.mkdir(parents=True)
    whole = {
        "id": "20261122-100000-abc123",
        "created": "2026-11-22T10:00:00+00:00",
        "updated": "2026-11-22T10:05:00+00:00",
        "status": "finished",
        "status_reason": "budget",
        "argv": ["llmctl", "pretrain", "gpt-tiny", "data.train=my book.txt", "-o", str(folder)],
        "seed": 7,
        "num_processes": 1,
        "versions": {"llmctl": "0.1.0", "torch": "2.13.0"},
        "hardware": {"host": "box", "threads": 2, "memory_gib": 8.0, "gpus": []},
        "model": {"architecture": "GPT2LMHeadModel", "parameters": 1_234_567},
        "budget": {"steps": 200, "hours": None},
        "progress": {"step": 200, "tokens": 51_200, "best_validation_loss": 3.5, "best_step": 150},
    }
    (folder / "run.json").write_text(json.dumps(whole | record))
    written = lines if lines is not None else default_lines()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in written))
    return folder


def default_lines() -> list[dict[str, Any]]:
    training = [
        {"step": step, "loss": 6.0 - step / 100, "tokens": 256 * step, "seconds": step / 10,
         "epoch": step / 100}
        for step in range(10, 201, 10)
    ]  # fmt: skip
    return [*training, {"step": 100, "validation_loss": 4.0}, {"step": 150, "validation_loss": 3.5}]


def test_runs_are_listed_latest_first(llmctl: Llmctl, tmp_path: Path) -> None:
    make_run(tmp_path / "old", updated="2026-11-20T10:00:00+00:00")
    make_run(tmp_path / "group" / "new", status="stopped")
    outcome = llmctl("runs", "list", tmp_path)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == [
        "run", "status", "model", "parameters", "step", "best", "validation", "loss", "when",
    ]  # fmt: skip
    assert lines[2].split() == [
        str(tmp_path / "group" / "new"), "stopped", "GPT2LMHeadModel", "1,234,567",
        "200", "of", "200", "3.5000", "2026-11-22", "10:05",
    ]  # fmt: skip
    assert str(tmp_path / "old") in lines[3]


def test_the_list_is_of_runs_or_of_this_folder(
    llmctl: Llmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "mine")
    assert "mine" in llmctl("runs", "list").out
    make_run(tmp_path / "runs" / "there")
    assert "mine" not in llmctl("runs", "list").out


def test_an_empty_folder_has_no_runs_and_a_missing_one_is_code_66(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    empty = llmctl("runs", "list", tmp_path)
    assert (empty.code, empty.out) == (0, "")
    assert "no runs" in empty.err
    assert llmctl("runs", "list", tmp_path / "gone").code == 66


def test_the_list_as_json(llmctl: Llmctl, tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    (found,) = json.loads(llmctl("runs", "list", tmp_path, "--json").out)["runs"]
    assert found["folder"] == str(tmp_path / "a")
    assert (found["step"], found["steps"], found["best_validation_loss"]) == (200, 200, 3.5)
    assert found["seconds"] == 20.0


def test_a_run_is_shown_with_what_was_used_and_the_next_command(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "a")
    (folder / "results.json").write_text('{"validation": {"unigram_perplexity": 512.25}}')
    out = llmctl("runs", "show", folder).out
    assert any(line.split() == ["seed", "7"] for line in out.splitlines())
    assert "3.5000 (perplexity 33.12, at step 150)" in out
    assert "llmctl pretrain gpt-tiny 'data.train=my book.txt' -o" in out
    assert "unigram perplexity  512.2" in out
    assert f"next: llmctl predict {folder} --task generation" in out


def test_a_run_as_json_has_its_curves(llmctl: Llmctl, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", lines=[{"step": 1, "loss": 5.0}, {"step": 2, "loss": None}])
    found = json.loads(llmctl("runs", "show", folder, "--json").out)
    assert found["losses"] == [[1, 5.0]]
    assert found["record"]["seed"] == 7


def test_a_folder_without_a_record_is_code_66(llmctl: Llmctl, tmp_path: Path) -> None:
    assert llmctl("runs", "show", tmp_path).code == 66
    assert llmctl("runs", "show", tmp_path / "gone").code == 66


@pytest.mark.parametrize("status", ["running", "preparing"])
def test_a_run_at_work_whose_lock_is_free_was_interrupted(tmp_path: Path, status: str) -> None:
    folder = make_run(tmp_path / "a", status=status, status_reason=None)
    assert read_run(folder).status == "interrupted"
    (folder / "lock").write_text("process 1 on box")
    assert read_run(folder).status == "interrupted"
    with (folder / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert read_run(folder).status == status
    assert read_run(folder).status == "interrupted"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("interrupted", "llmctl pretrain gpt-tiny"),
        ("stopped", "llmctl pretrain gpt-tiny"),
        ("failed", "llmctl pretrain gpt-tiny"),
        ("diverged", "optimizer.learning_rate"),
        ("finished", "llmctl predict"),
    ],
)
def test_the_next_command_follows_from_the_status(
    tmp_path: Path, status: str, expected: str
) -> None:
    folder = make_run(tmp_path / "a", status="running" if status == "interrupted" else status)
    assert expected in next_command(read_run(folder))


def test_a_command_with_hidden_words_is_replaced_by_the_recipe(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", status="stopped", argv=["llmctl", "pretrain", "[hidden]"])
    assert next_command(read_run(folder)).startswith(
        f"llmctl pretrain {folder / 'recipe.yaml'} -o {folder}"
    )


@pytest.mark.parametrize(
    "record",
    ["{}", '{"status": 5, "progress": [], "model": null, "hardware": "x", "data": 1}',
     '{"progress": {"best_validation_loss": NaN, "step": "many"}, "argv": [], "versions": []}'],
)  # fmt: skip
def test_missing_and_strange_fields_are_left_out(
    llmctl: Llmctl, tmp_path: Path, record: str
) -> None:
    (tmp_path / "run.json").write_text(record)
    for words in (["show", tmp_path], ["show", tmp_path, "--json"], ["list", tmp_path]):
        outcome = llmctl("runs", *words)
        assert outcome.code == 0, outcome.err
        assert "NaN" not in outcome.out


def test_a_damaged_record_is_listed_as_unreadable(llmctl: Llmctl, tmp_path: Path) -> None:
    make_run(tmp_path / "good")
    broken = make_run(tmp_path / "broken")
    (broken / "run.json").write_text('{"status": "fin')
    outcome = llmctl("runs", "list", tmp_path)
    assert outcome.code == 0
    assert "unreadable" in outcome.out
    assert "run.json is damaged" in llmctl("runs", "show", broken).out


def test_a_cut_last_line_of_metrics_is_left_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", lines=[{"step": 1, "loss": 5.0}])
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 2, "lo')
    assert read_run(folder).losses == [(1, 5.0)]


def test_progress_is_the_furthest_that_is_known(tmp_path: Path) -> None:
    folder = make_run(
        tmp_path / "a", progress={"step": 100}, lines=[{"step": 120, "loss": 5.0, "tokens": 9}]
    )
    assert (read_run(folder).step, read_run(folder).tokens) == (120, 9)


def test_the_best_loss_is_found_in_the_metrics_when_the_record_has_none(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", progress={}))
    assert (run.best_loss, run.best_step) == (3.5, 150)


def test_curves_are_drawn_for_terminals_only(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a"))
    assert "█" in run_text(run, curves=True)
    assert "█" not in run_text(run, curves=False)


def test_a_curve_is_a_bar_for_each_part_of_the_steps() -> None:
    points = [(step, float(loss)) for step, loss in enumerate([8, 8, 4, 4, 1, 1], start=1)]
    assert curve("loss", points, width=3) == "loss  8.0000 █▄▁ 1.0000  (steps 1 to 6)"


def test_a_flat_curve_is_drawn() -> None:
    assert curve("loss", [(1, 2.0), (2, 2.0)]) == "loss  2.0000 ▁▁ 2.0000  (steps 1 to 2)"
