"""CSV and TSV: delimiters, quoting, and rows that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import bad_rows, made, read, texts

from llmctl.errors import DataError, InputMissing

FIXTURES = Path(__file__).parent / "fixtures"


def test_quoted_fields_hold_delimiters_quotes_and_newlines(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", 'text,label\n"one, ""two""\nthree",x\nfour,y\n')
    documents, _ = read(file)
    assert [document.text for document in documents] == ['one, "two"\nthree', "four"]
    assert documents[0].metadata == {"label": "x"}


def test_the_csv_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", b'\xef\xbb\xbftext;label\r\n"one; two";x\r\nthree, four;y\r\n')
    assert texts(file) == ["one; two", "three, four"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_taken_from_the_header(tmp_path: Path, delimiter: str) -> None:
    file = made(tmp_path, "a.csv", f"id{delimiter}text\n1{delimiter}one\n")
    assert texts(file) == ["one"]


def test_ragged_and_misquoted_rows_are_set_aside(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", 'text,n\none,1\ntwo\nthree,3,3\n"four"x,4\n\nfive,5\n')
    documents, report = read(file)
    assert [document.text for document in documents] == ["one", "five"]
    assert report.empty == 1
    assert bad_rows(file) == [
        (3, "1 columns; expected 2"),
        (4, "3 columns; expected 2"),
        (5, "not CSV: text after a closing quotation mark"),
    ]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", 'text,n\none,1\n"two,2\nthree,3\nfour,4\n')
    assert texts(file) == ["one", "three", "four"]
    assert bad_rows(file) == [(3, "not CSV: a quotation mark is opened and never closed")]


def test_a_stray_quote_closed_by_a_later_one_costs_its_own_row(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", 'text,n\n"two,2\nthree,3\nfo"ur,4\nfive,5\n')
    assert texts(file) == ["three", 'fo"ur', "five"]
    assert [number for number, _ in bad_rows(file)] == [2]


def test_a_ragged_record_of_several_lines_names_them(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", 'text,n\n"a\nb\nc"\nok,1\n')
    assert bad_rows(file) == [(2, "1 columns; expected 2 (lines 2 to 4)")]
    assert texts(file) == ["ok"]


def test_undecodable_bytes_spoil_their_record_only(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", b'text,n\none,1\n"a\nb\xff\nc",2\nthree,3\n')
    assert texts(file) == ["one", "three"]
    assert bad_rows(file) == [(3, "not utf-8 at byte 2 of the line")]


def test_a_gb18030_file_is_read_when_the_encoding_is_named() -> None:
    found = texts(FIXTURES / "poems-gb18030.csv", encoding="gb18030")
    assert len(found) == 30
    assert found[-1].startswith("摘索衣裳宫样。")


def test_a_gb18030_file_taken_for_utf8_is_refused_with_the_option_to_type() -> None:
    with pytest.raises(DataError, match="30 of 30 rows cannot be used") as caught:
        texts(FIXTURES / "poems-gb18030.csv", max_bad_fraction=0.001)
    assert "looks like gb18030" in caught.value.message
    assert (caught.value.hint or "").startswith("--encoding gb18030")


def test_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    file = made(tmp_path, "a.tsv", 'text\tn\n"one\t1\nsay "two"\t2\n')
    assert texts(file) == ['"one', 'say "two"']


def test_bad_tsv_rows_are_set_aside(tmp_path: Path) -> None:
    file = made(tmp_path, "a.tsv", b"text\tn\none\t1\ntwo\n\xff\t3\n\nfour\t4")
    assert texts(file) == ["one", "four"]
    assert bad_rows(file) == [
        (3, "1 columns; expected 2"),
        (4, "not utf-8 at byte 1 of the line"),
    ]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_column_number_reads_a_table_without_header(tmp_path: Path, name: str) -> None:
    file = made(tmp_path, name, "ham\thello there\nspam\tbuy now\n")
    assert texts(file, text_column="2") == ["hello there", "buy now"]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_label_that_is_a_number_is_no_name_of_a_column(tmp_path: Path, name: str) -> None:
    file = made(tmp_path, name, "hello there\t1\nbuy now\t2\n")
    assert texts(file, text_column="1") == ["hello there", "buy now"]


def test_a_header_of_numbers_is_one(tmp_path: Path) -> None:
    """As pandas writes a table without names, with its index before them."""
    file = made(tmp_path, "a.csv", ",0,1\n0,ham,hello there\n")
    assert texts(file, text_column="1") == ["hello there"]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two columns are called 'text'"):
        texts(made(tmp_path, "a.csv", "text,text\na,b\n"))


def test_several_columns_of_text_need_a_name(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", "title,body\nOne,a much longer text\n")
    with pytest.raises(InputMissing, match="several columns hold text") as caught:
        texts(file)
    assert "title, body" in caught.value.message
    assert (caught.value.hint or "").startswith("--text-column body")
    assert texts(file, text_column="body") == ["a much longer text"]


def test_a_mistyped_column_is_exit_66_with_the_nearest_name(tmp_path: Path) -> None:
    file = made(tmp_path, "a.csv", "title,body\nOne,text\n")
    with pytest.raises(InputMissing, match="no column 'boddy'") as caught:
        texts(file, text_column="boddy")
    assert "--text-column body" in (caught.value.hint or "")
