"""Files are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmctl import files
from llmctl.errors import DataError, InputMissing, StorageError


def test_a_written_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    files.write_json(path, {"诗": 1})
    files.write_json(path, {"诗": 2})

    assert path.read_text(encoding="utf-8") == '{\n  "诗": 2\n}\n'
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]


def test_nan_is_never_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot write"):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_reading_names_what_is_missing_or_broken(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")

    with pytest.raises(InputMissing, match="does not exist"):
        files.read_json(tmp_path / "b.json")
    with pytest.raises(DataError, match="not valid JSON"):
        files.read_json(tmp_path / "a.json")


def test_a_line_cut_short_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    files.append_json_line(path, {"step": 1})
    with path.open("a") as stream:
        stream.write('{"step": 2, "lo')

    assert files.read_json_lines(path) == [{"step": 1}]


def test_a_committed_folder_has_all_its_files(tmp_path: Path) -> None:
    temporary = tmp_path / f"{files.TEMPORARY_PREFIX}a"
    (temporary / "inner").mkdir(parents=True)
    (temporary / "inner" / "x").write_text("1")
    files.commit_folder(temporary, tmp_path / "a")

    assert (tmp_path / "a" / "inner" / "x").read_text() == "1"
    assert not temporary.exists()


def test_links_are_replaced(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.replace_link(tmp_path / "best", name)

    assert (tmp_path / "best").resolve() == (tmp_path / "two").resolve()


def test_a_folder_hash_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = files.sha256_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")

    assert files.sha256_folder(tmp_path) != first
    assert files.sha256_text("abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    )


def test_json_lines_are_one_a_line(tmp_path: Path) -> None:
    files.append_json_line(tmp_path / "a", {"text": "two\nlines"})

    assert [json.loads(line) for line in (tmp_path / "a").read_text().splitlines()] == [
        {"text": "two\nlines"}
    ]
