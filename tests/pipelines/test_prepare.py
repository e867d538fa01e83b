"""Preparing: what is written, what a repeated command does, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import fakes
import pytest

from llmctl.data.document_shards import PreparedManifest, read_manifest
from llmctl.data.folder_in_making import lock_folder
from llmctl.data.settings import SplittingSettings
from llmctl.errors import DataError, Locked, SettingsMismatch, StorageError, UsageError
from llmctl.files import sha256_file, sha256_folder
from llmctl.pipelines.prepare import prepare


def corpus(folder: Path, count: int = 60) -> Path:
    path = folder / "corpus.jsonl"
    rows = [
        json.dumps({"text": text, "n": n}) for n, text in enumerate(fakes.make_documents(count))
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def prepared(
    source: Path | str, folder: Path, fresh: bool = False, **settings: Any
) -> PreparedManifest:
    return prepare([str(source)], SplittingSettings(**settings), folder, fresh=fresh)


def test_the_manifest_accounts_for_every_row_and_every_input(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "one"}\n{"text": ""}\noops\n{"text": "two"}\n')
    manifest = prepared(source, tmp_path / "out", max_bad_fraction=0.5)
    assert manifest == read_manifest(tmp_path / "out")
    assert manifest.counts == {"rows": 4, "documents": 2, "empty": 1, "set_aside": 1}
    assert manifest.inputs == [
        {"path": str(source), "size": source.stat().st_size, "sha256": sha256_file(source)}
    ]
    assert {
        split: sum(s.documents for s in shards) for split, shards in manifest.splits.items()
    } == {
        "train": 1,
        "validation": 1,
    }
    [bad] = (tmp_path / "out/bad_rows.jsonl").read_text().splitlines()
    assert json.loads(bad)["line"] == 3


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    prepared(source, tmp_path / "a")
    prepared(source, tmp_path / "b")
    for split in ("train", "validation"):
        assert sha256_folder(tmp_path / "a" / split) == sha256_folder(tmp_path / "b" / split)


def test_a_repeated_command_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = corpus(tmp_path)
    prepared(source, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    prepared(source, tmp_path / "out", max_bad_fraction=0.5)  # decides nothing that is written
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert "finished already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"validation_fraction": 0.2}, "validation_fraction was 0.05 and is 0.2"),
        ({"text_column": "text"}, "text_column was None and is 'text'"),
    ],
)
def test_other_settings_are_exit_78(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    source = corpus(tmp_path)
    prepared(source, tmp_path / "out")
    with pytest.raises(SettingsMismatch, match=said) as caught:
        prepared(source, tmp_path / "out", **settings)
    assert "--fresh" in (caught.value.hint or "")
    assert prepared(source, tmp_path / "out", fresh=True, **settings).status == "done"


def test_changed_or_other_inputs_are_exit_78(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    prepared(source, tmp_path / "out")
    other = tmp_path / "other.txt"
    other.write_text("other")
    with pytest.raises(SettingsMismatch, match=r"other\.txt was not among the sources"):
        prepared(other, tmp_path / "out")
    with source.open("a") as stream:
        stream.write('{"text": "one more"}\n')
    with pytest.raises(SettingsMismatch, match=r"corpus\.jsonl has changed"):
        prepared(source, tmp_path / "out")


def test_too_many_bad_rows_leave_the_list_of_them_and_no_shard(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    with source.open("a") as stream:
        stream.write("oops\n")
    with pytest.raises(DataError, match=r"all are listed in .*out/bad_rows\.jsonl"):
        prepared(source, tmp_path / "out")
    assert len((tmp_path / "out/bad_rows.jsonl").read_text().splitlines()) == 1
    assert not list((tmp_path / "out").rglob("*shard*"))
    assert read_manifest(tmp_path / "out").status == "running"
    assert prepared(source, tmp_path / "out", max_bad_fraction=0.1).status == "done"


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    source = corpus(tmp_path)
    with pytest.raises(UsageError, match=r"holds other files \(corpus\.jsonl\)"):
        prepared(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_a_prepared_folder_can_be_prepared_again_whole(tmp_path: Path) -> None:
    prepared(corpus(tmp_path), tmp_path / "out")
    again = prepared(tmp_path / "out", tmp_path / "again", validation_fraction=0.5)
    assert again.counts["documents"] == 60
    assert sum(shard.documents for shard in again.splits["validation"]) > 15


def test_two_processes_cannot_prepare_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with lock_folder(tmp_path / "out", subject=tmp_path / "out"), pytest.raises(Locked):
        prepared(corpus(tmp_path), tmp_path / "out")


def test_a_full_disk_is_exit_74_and_leaves_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    source = corpus(tmp_path, 20_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            prepared(source, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not list((tmp_path / "out").rglob("*shard*"))


@pytest.mark.processes
def test_a_killed_preparation_starts_over_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmctl.data.document_shards.DocumentShardWriter.__init__.__defaults__",
                        (20_000, *_defaults()[1:]))  # fmt: skip
    source = corpus(tmp_path, 3000)
    prepared(source, tmp_path / "whole")
    child = os.fork()
    if child == 0:
        try:
            prepared(source, tmp_path / "out")
        finally:
            os._exit(0)
    while not (tmp_path / "out/train/shard-00003.jsonl.zst").exists():
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    finished = list((tmp_path / "out").rglob("shard-*"))
    for path in finished:
        whole = tmp_path / "whole" / path.relative_to(tmp_path / "out")
        assert sha256_file(path) == sha256_file(whole)
    prepared(source, tmp_path / "out")
    for split in ("train", "validation"):
        assert sha256_folder(tmp_path / "out" / split) == sha256_folder(tmp_path / "whole" / split)


def _defaults() -> tuple[Any, ...]:
    from llmctl.data.document_shards import DocumentShardWriter

    return DocumentShardWriter.__init__.__defaults__ or ()
