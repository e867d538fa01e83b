"""Which files a source stands for."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from reading import made, texts

from llmctl.data.inputs import find_inputs
from llmctl.errors import DataError, InputMissing


def names(*sources: Path | str) -> list[str]:
    return [file.name for file in find_inputs([str(source) for source in sources])]


def test_a_folder_is_read_to_the_bottom_in_sorted_order(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a/z.jsonl.gz",
        "a/b/c.md",
        "README.md",
        "x.bin",
        ".hidden/h.txt",
        ".h.txt",
    ):
        made(tmp_path, name, "text")
    assert names(tmp_path) == ["a/b/c.md", "a/z.jsonl.gz", "b.txt"]


def test_a_readme_is_read_when_it_is_named(tmp_path: Path) -> None:
    assert names(made(tmp_path, "README.md", "text")) == ["README.md"]


def test_a_glob_matches_files_in_sorted_order(tmp_path: Path) -> None:
    for name in ("2/b.txt", "1/a.txt", "1/c.csv"):
        made(tmp_path, name, "text")
    assert names(f"{tmp_path}/**/*.txt") == ["1/a.txt", "2/b.txt"]
    assert names(f"{tmp_path}/1/[a-b]*") == ["a.txt"]


def test_a_file_with_brackets_in_its_name_is_a_file(tmp_path: Path) -> None:
    assert names(made(tmp_path, "a[1].txt", "text")) == ["a[1].txt"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "text")
    assert names(file, tmp_path, f"{tmp_path}/*.txt") == ["a.txt"]


def test_the_ending_says_the_format_and_the_compression(tmp_path: Path) -> None:
    [file] = find_inputs([str(made(tmp_path, "a.JSON.GZ", b""))])
    assert (file.format, file.compression) == ("json", "gzip")


def test_an_unknown_ending_is_text_when_it_is_named(tmp_path: Path) -> None:
    assert texts(made(tmp_path, "wiki_00", "text")) == ["text"]


def test_a_missing_file_is_exit_66_with_the_nearest_name(tmp_path: Path) -> None:
    made(tmp_path, "book.txt", "text")
    with pytest.raises(InputMissing, match="does not exist") as caught:
        names(tmp_path / "bock.txt")
    assert caught.value.hint == f"did you mean {tmp_path}/book.txt?"


def test_a_folder_or_a_glob_without_files_is_exit_66(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="holds no file that can be read"):
        names(tmp_path)
    with pytest.raises(InputMissing, match="no file matches"):
        names(f"{tmp_path}/*.txt")


def test_a_name_with_an_owner_is_a_dataset_unless_it_looks_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_inputs(["wikimedia/wikipedia"])[0].format == "datasets"
    (tmp_path / "texts").mkdir()
    for missing in ("texts/books", "nothere/book.txt", "./a/b", "nothere"):
        with pytest.raises(InputMissing):
            find_inputs([missing])


def test_a_packed_folder_is_no_text(tmp_path: Path) -> None:
    made(tmp_path, "meta.json", '{"kind": "tokens"}')
    with pytest.raises(DataError, match="holds packed tokens, not text"):
        names(tmp_path)


def test_folders_that_llmctl_wrote_are_left_out_of_a_folder(tmp_path: Path) -> None:
    made(tmp_path, "a.txt", "text")
    made(tmp_path, "packed/meta.json", '{"kind": "tokens"}')
    made(tmp_path, "prepared/manifest.json", '{"kind": "documents"}')
    made(tmp_path, "other/manifest.json", '{"text": "of someone else"}')
    assert names(tmp_path) == ["a.txt", "other/manifest.json"]


def test_a_pipe_is_read_once_like_standard_input(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text('{"text": "one"}\n{"text": "two"}\n'))
    writer.start()
    assert texts(pipe) == ["one", "two"]
    writer.join()


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(InputMissing, match=r"https://example\.com/a\.txt is an address") as caught:
        find_inputs(["https://example.com/a.txt"])

    assert caught.value.hint == "curl -O https://example.com/a.txt"
