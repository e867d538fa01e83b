"""Parallel files: rows of lines that belong together, and what does not fit told with counts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from reading import made

from llmctl.data.read_parallel import find_parallel, read_parallel
from llmctl.data.rows import BadRow, Row
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError, InputMissing, UsageError


def rows_of(*paths: Path, encoding: str = "utf-8") -> list[Row | BadRow]:
    files = find_parallel([str(path) for path in paths])
    return list(read_parallel(files, ReadingSettings(encoding=encoding), lambda _: None))


def test_lines_that_belong_together_are_a_row(tmp_path: Path) -> None:
    english = made(tmp_path, "train.en", "Help us.\nYou win.")  # no newline at the end
    chinese = made(tmp_path, "train.zh", "帮帮我们吧！\r\n算你狠。\r\n")

    assert rows_of(english, chinese) == [
        Row(1, {"source": "Help us.", "target": "帮帮我们吧！"}),
        Row(2, {"source": "You win.", "target": "算你狠。"}),
    ]


def test_further_files_hold_further_references(tmp_path: Path) -> None:
    files = [made(tmp_path, name, text) for name, text in
             (("a.src", "sea\n"), ("a.ref0", "海\n"), ("a.ref1", "大海\n"))]  # fmt: skip

    assert rows_of(*files) == [Row(1, {"source": "sea", "target": ["海", "大海"]})]


def test_compressed_files_and_other_separators_than_newline_are_read_as_lines(
    tmp_path: Path,
) -> None:
    """U+2028 and a form feed are text: other readers split there, and shift all that follows."""
    english = made(tmp_path, "train.en.gz", gzip.compress("a\u2028b\nc\x0cd\n".encode()))
    chinese = made(tmp_path, "train.zh.gz", gzip.compress("甲\n乙\n".encode()))

    assert [row.value for row in rows_of(english, chinese)] == [  # type: ignore[union-attr]
        {"source": "a\u2028b", "target": "甲"},
        {"source": "c\x0cd", "target": "乙"},
    ]


@pytest.mark.parametrize(("first", "second"), [(3, 1), (1, 3), (2, 0)])
def test_files_of_different_lengths_are_refused_with_both_counts(
    tmp_path: Path, first: int, second: int
) -> None:
    english, chinese = made(tmp_path, "a.en", "x\n" * first), made(tmp_path, "a.zh", "y\n" * second)

    with pytest.raises(DataError) as refused:
        rows_of(english, chinese)

    assert f"{english} has {first} lines, {chinese} has {second} lines" in refused.value.message


def test_a_blank_line_in_one_file_is_a_row_and_in_both_none(tmp_path: Path) -> None:
    english, chinese = made(tmp_path, "a.en", "x\n\n\n"), made(tmp_path, "a.zh", "\n \n丙\n")

    assert [row.value for row in rows_of(english, chinese)] == [  # type: ignore[union-attr]
        {"source": "x", "target": ""},
        "",
        {"source": "", "target": "丙"},
    ]


def test_a_line_that_cannot_be_decoded_spoils_its_row_and_names_its_file(tmp_path: Path) -> None:
    english = made(tmp_path, "a.en", "x\ny\n")
    chinese = made(tmp_path, "a.zh", b"\xb0\xa1\n" + "乙\n".encode())

    bad, good = rows_of(english, chinese)

    assert isinstance(bad, BadRow)
    assert bad.number == 1
    assert bad.reason == f"{chinese}: not utf-8 at byte 1 of the line"
    assert good == Row(2, {"source": "y", "target": "乙"})


def test_other_encodings_are_read(tmp_path: Path) -> None:
    files = [made(tmp_path, name, text.encode("gb18030")) for name, text in
             (("a.en", "sea\n"), ("a.zh", "海\n"))]  # fmt: skip

    assert rows_of(*files, encoding="gb18030") == [Row(1, {"source": "sea", "target": "海"})]


def test_one_file_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    english = made(tmp_path, "folder/a.txt", "x\n")

    with pytest.raises(UsageError, match="two files"):
        rows_of(english)
    with pytest.raises(InputMissing, match="does not exist"):
        rows_of(english, tmp_path / "a.zh")
    made(tmp_path, "folder/b.txt", "y\n")
    with pytest.raises(UsageError, match="is not one file"):
        rows_of(english, tmp_path / "folder")
