"""`kill -9` at any moment, then the same command: bit for bit the same run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import fakes
import pytest
from killing import run_and_kill
from tiny_run import write_recipe

from llmctl import files

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run: the command, its file operations in order, and what it left."""

    recipe: Path
    folder: Path
    operations: list[str]

    def words(self, run: Path) -> list[str]:
        return ["pretrain", str(self.recipe), "model.dropout=0.1", "--quiet", "-o", str(run)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    text = fakes.make_text_file(folder / "a.txt", 40)
    found = Reference(write_recipe(folder, tokenizer_folder, text), folder / "run", [])
    code = run_and_kill(found.words(found.folder), found.folder, None, folder / "operations")
    assert code == 0
    found.operations.extend((folder / "operations").read_text(encoding="utf-8").split("\n"))
    return found


def result_of(run: Path) -> dict[str, object]:
    last = (run / "last").resolve()
    return {
        "model": files.sha256_file(run / "model" / "model.safetensors"),
        "weights": files.sha256_file(last / "model.safetensors"),
        "optimizer": files.sha256_file(last / "optimizer.safetensors"),
        "losses": [
            (line["step"], line.get("loss"), line.get("validation_loss"))
            for line in files.read_json_lines(run / "metrics.jsonl")
        ],
    }


def kill_points(operations: list[str]) -> dict[str, int]:
    """Moments that differ in what is half-done, by name; found in the reference's operations."""

    def first(text: str, after: int = 0) -> int:
        return next(i for i, name in enumerate(operations) if text in name and i >= after)

    save = first("checkpoints/.tmp-step-00000006")
    return {
        "before anything": 0,
        "packing the text": first("data"),
        "in the first step": first("metrics.jsonl"),
        "between two steps": first("metrics.jsonl", first("step-00000003") + 12),
        "beginning a save": save,
        "writing the state": first("step-00000006/", save + 1),
        "writing the manifest": first("manifest.json", save),
        "giving the save its name": first("os.rename", first("manifest.json", save) + 3),
        "moving `last`": first(".tmp-last", save),
        "moving `best`": first(".tmp-best", save),
        "pruning": first("os.rmdir", save),
        "writing the model": first(".tmp-model"),
        "giving the model its name": first("os.rename", first(".tmp-model") + 10),
        "writing the results": first("results.json"),
        "at the very end": len(operations) - 1,
    }


NAMES = [
    "before anything", "packing the text", "in the first step", "between two steps",
    "beginning a save", "writing the state", "writing the manifest", "giving the save its name",
    "moving `last`", "moving `best`", "pruning", "writing the model", "giving the model its name",
    "writing the results", "at the very end",
]  # fmt: skip


@pytest.mark.parametrize("moment", NAMES)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    reference: Reference, tmp_path: Path, moment: str
) -> None:
    run = tmp_path / "run"
    at = kill_points(reference.operations)[moment]

    assert run_and_kill(reference.words(run), run, at, None) == -9
    assert run_and_kill(reference.words(run), run, None, None) == 0
    assert result_of(run) == result_of(reference.folder)


def test_a_run_killed_again_and_again_ends_the_same(reference: Reference, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for at in (90, 45, 40, 30):
        assert run_and_kill(reference.words(run), run, at, None) == -9

    assert run_and_kill(reference.words(run), run, None, None) == 0
    assert result_of(run) == result_of(reference.folder)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(
    reference: Reference, tmp_path: Path, name: str
) -> None:
    run = tmp_path / "run"
    at = kill_points(reference.operations)["writing the model"]
    run_and_kill(reference.words(run), run, at, None)
    newest = (run / "last").resolve()
    content = bytearray((newest / name).read_bytes())
    content[len(content) // 2] ^= 4
    (newest / name).write_bytes(bytes(content))

    assert run_and_kill(reference.words(run), run, None, None) == 0
    assert (run / "checkpoints" / "damaged" / newest.name).exists()
    assert result_of(run) == result_of(reference.folder)


def test_with_every_checkpoint_damaged_the_run_stops_with_76(
    reference: Reference, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    at = kill_points(reference.operations)["writing the model"]
    run_and_kill(reference.words(run), run, at, None)
    for manifest in (run / "checkpoints").glob("step-*/manifest.json"):
        manifest.unlink()

    assert run_and_kill(reference.words(run), run, None, None) == 76
