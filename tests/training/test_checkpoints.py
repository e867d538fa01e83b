"""Checkpoints are whole or absent, and damage is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl import files
from llmctl.training.checkpoints import (
    Checkpoint,
    commit,
    list_checkpoints,
    prune,
    remove_later,
    set_aside,
    verify,
)


def write(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "state.json").write_text("{}")


def test_a_committed_checkpoint_is_listed_and_good(tmp_path: Path) -> None:
    saved = commit(tmp_path, 12, write)

    assert saved.folder.name == "step-00000012"
    assert list_checkpoints(tmp_path) == [saved]
    assert verify(saved) is None


def test_a_write_that_fails_leaves_no_checkpoint(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        commit(tmp_path, 1, fail)

    assert list_checkpoints(tmp_path) == []
    files.remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("position", [0, 350, 699])
def test_one_flipped_bit_is_found(tmp_path: Path, position: int) -> None:
    saved = commit(tmp_path, 1, write)
    path = saved.folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))

    assert verify(saved) == "model.safetensors does not match its hash"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json is damaged"),
        (lambda f: (f / "state.json").unlink(), "state.json is missing"),
        (lambda f: (f / "state.json").write_text("{} "), "state.json has 3 bytes, not 2"),
    ],
)
def test_missing_and_cut_files_are_found(tmp_path: Path, damage: object, said: str) -> None:
    saved = commit(tmp_path, 1, write)
    damage(saved.folder)  # type: ignore[operator]

    assert verify(saved) == said


def test_a_folder_under_another_steps_name_is_found(tmp_path: Path) -> None:
    saved = commit(tmp_path, 1, write)
    moved = saved.folder.rename(tmp_path / "step-00000009")

    assert verify(Checkpoint(9, moved)) == "manifest.json is of step 1"


def test_prune_keeps_the_latest_the_named_and_never_fewer_than_two(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        commit(tmp_path, step, write)

    gone = prune(tmp_path, keep=1, also={2})

    assert [checkpoint.step for checkpoint in gone] == [1, 3]
    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path)] == [2, 4, 5]


def test_a_damaged_checkpoint_is_moved_not_deleted(tmp_path: Path) -> None:
    moved = set_aside(commit(tmp_path, 3, write))
    again = set_aside(commit(tmp_path, 3, write))

    assert moved == tmp_path / "damaged" / "step-00000003"
    assert again == tmp_path / "damaged" / "step-00000003-2"
    assert (moved / "model.safetensors").exists()
    assert list_checkpoints(tmp_path) == []


def test_other_names_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "step-12").mkdir()
    (tmp_path / "notes").mkdir()
    for step in (1, 2, 3):
        commit(tmp_path, step, write)

    prune(tmp_path, keep=2, also=set())

    assert (tmp_path / "step-12").exists()
    assert (tmp_path / "notes").exists()


def test_checkpoints_beyond_a_step_are_of_a_branch_that_was_left(tmp_path: Path) -> None:
    for step in (3, 6, 9):
        commit(tmp_path, step, write)

    remove_later(tmp_path, 6)

    assert [checkpoint.step for checkpoint in list_checkpoints(tmp_path)] == [3, 6]
