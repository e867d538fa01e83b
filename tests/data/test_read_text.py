"""Plain text: what one document is, and lines that cannot be decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import bad_rows, made, read, texts

from llmctl.errors import DataError


def test_a_short_file_is_one_document(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "\nfirst\n\nsecond\n\n")
    assert texts(file) == ["first\n\nsecond"]


def test_paragraphs_are_separated_by_blank_lines(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "one\ntwo\n\n \n\nthree\n")
    assert texts(file, text_unit="paragraph") == ["one\ntwo", "three"]


def test_blank_lines_are_empty_rows_when_a_line_is_a_document(tmp_path: Path) -> None:
    documents, report = read(made(tmp_path, "a.txt", "one\n\ntwo"), text_unit="line")
    assert [document.text for document in documents] == ["one", "two"]
    assert (report.rows, report.documents, report.empty) == (3, 2, 1)


def test_a_long_file_is_cut_at_blank_lines(tmp_path: Path) -> None:
    paragraph = "x" * 999 + "\n\n"  # 1001 bytes: the 17th reaches 16 KiB
    found = texts(made(tmp_path, "book.txt", paragraph * 100))
    assert [text.count("x") for text in found] == [17 * 999] * 5 + [15 * 999]


def test_a_long_file_without_blank_lines_is_cut_at_line_ends(tmp_path: Path) -> None:
    found = texts(made(tmp_path, "book.txt", ("y" * 999 + "\n") * 100))
    assert [text.count("\n") + 1 for text in found] == [17] * 5 + [15]


def test_a_long_file_with_few_blank_lines_is_cut_at_line_ends_by_32_kib(tmp_path: Path) -> None:
    found = texts(made(tmp_path, "book.txt", "\n\na\n\n" + ("y" * 999 + "\n") * 100))
    assert max(len(text) for text in found) <= 33 * 1000 + 2


def test_cutting_a_long_file_loses_no_line(tmp_path: Path) -> None:
    lines = [f"line {number} " + "z" * 40 if number % 7 else "" for number in range(3000)]
    found = texts(made(tmp_path, "book.txt", "\n".join(lines)))
    kept = [line for text in found for line in text.split("\n") if line]
    assert len(found) > 5
    assert kept == [line for line in lines if line]


@pytest.mark.parametrize("word", ["word ", "诗"])
def test_a_corpus_of_one_line_is_cut_into_documents(tmp_path: Path, word: str) -> None:
    content = word * (3_000_000 // len(word.encode()))
    found = texts(made(tmp_path, "text8.txt", content), max_bad_fraction=0)
    assert 40 <= len(found) <= 60
    assert max(len(text.encode()) for text in found) <= 1 << 20
    assert "".join(found) == content


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "a\x85b\u2028c\x0cd\re\nf\r\ng")
    assert texts(file, text_unit="line") == ["a\x85b\u2028c\x0cd\re", "f", "g"]


def test_reading_goes_on_after_a_line_that_is_not_utf8(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", b"one\nb\xffd\n" + "三\n".encode())
    assert texts(file) == ["one\n三"]
    assert bad_rows(file) == [(2, "not utf-8 at byte 2 of the line")]


def test_a_line_with_nul_is_set_aside(tmp_path: Path) -> None:
    assert bad_rows(made(tmp_path, "a.txt", "one\nt\0wo\n")) == [(2, "holds a NUL character")]


def test_the_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert texts(made(tmp_path, "a.txt", b"\xef\xbb\xbfone")) == ["one"]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-16", "utf-16-le", "utf-32"])
def test_text_in_a_named_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    file = made(tmp_path, "a.txt", "上海\n北京".encode(encoding))
    assert texts(file, encoding=encoding, text_unit="line") == ["上海", "北京"]


def test_a_utf16_letter_with_a_newline_byte_is_not_cut(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "aĊb\nc".encode("utf-16"))  # U+010A holds the byte 0x0a
    assert texts(file, encoding="utf-16", text_unit="line") == ["aĊb", "c"]


def test_utf16_cut_in_the_middle_of_a_letter_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "上海".encode("utf-16")[:-1])
    with pytest.raises(DataError, match="not utf-16"):
        texts(file, encoding="utf-16")


def test_a_binary_file_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not text") as caught:
        texts(made(tmp_path, "a.txt", b"PK\x03\x04rest"))
    assert ".jsonl" in (caught.value.hint or "")


def test_a_file_too_large_for_one_document_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmctl.data.read_text.LARGEST_FILE_BYTES", 100)
    with pytest.raises(DataError, match="too much for one document"):
        texts(made(tmp_path, "a.txt", "word\n" * 50), text_unit="file")
