"""JSON: strict, row by row, arrays without holding the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import bad_rows, made, read, texts

from llmctl.data import read_json as module
from llmctl.data.read_json import strict_json
from llmctl.data.rows import RowError
from llmctl.errors import DataError

FAULTS = [
    (b'{"text": "cut', "not JSON: unexpected end of data at column 14"),
    (b'{"text": "b\xff"}', "not utf-8 at byte 12 of the line"),
    (b'{"text": null}', "column 'text' holds null; expected text"),
    (b'{"text": 5}', "column 'text' holds a number; expected text"),
    (b'{"text": {"en": "a"}}', "column 'text' holds an object; expected text"),
    (b'{"text": ["a", 1]}', "column 'text' holds a list of other things; expected text"),
    (b'{"body": "a"}', "column 'text' is missing"),
    (b'["a"]', "an array; expected an object"),
    (b'"a"', "a text; expected an object"),
    (b"7", "a number; expected an object"),
    (b'{"text": "a", "text": "b"}', "an object has the same key twice"),
    (b'{"text": "a", "n": {"k": 1, "k" : 2}}', "an object has the same key twice"),
    (b'{"text": "a", "x": NaN}', "not JSON: NaN at column 20"),
    (b'{"text": "a", "x": -Infinity}', "not JSON: -Infinity at column 20"),
    (b'{"text": "\\ud800"}', "not JSON: no low surrogate in string at column 11"),
    (b'{"text": "a\\u0000b"}', "holds a NUL character"),
    (b'{"text": "a"} {"text": "b"}', "not JSON: unexpected content after document at column 15"),
    (b'{"text": "a", "x": ' + b"[" * 2000 + b"]" * 2000 + b"}", "not JSON: depth limit exceeded"),
]


@pytest.mark.parametrize(("line", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_a_faulty_line_is_set_aside_with_its_reason(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    file = made(tmp_path, "a.jsonl", b'{"text": "one"}\n' + line + b'\n{"text": "two"}\n')
    assert texts(file) == ["one", "two"]
    [(number, found)] = bad_rows(file)
    assert number == 2
    assert found.startswith(reason)


def test_a_reason_never_repeats_the_content(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"text": "ok"}\n{"text": "secret" oops}\n{"text": 123456}\n')
    assert not any("secret" in reason or "123456" in reason for _, reason in bad_rows(file))


def test_quotes_and_colons_in_text_are_no_duplicate_keys(tmp_path: Path) -> None:
    file = made(
        tmp_path, "a.jsonl", r'{"text": "say \"text\": twice \"text\": yes", "n": {"text": 1}}'
    )
    assert texts(file) == ['say "text": twice "text": yes']


def test_a_key_written_in_two_ways_is_the_same_key() -> None:
    with pytest.raises(RowError, match="twice"):
        strict_json(rb'{"a": 1, "\u0061": 2}')


def test_byte_order_mark_carriage_returns_and_blank_lines_are_read(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"text": "one"}\r\n\r\n{"text": " "}\r\n{"text": "two"}'
    documents, report = read(made(tmp_path, "a.jsonl", content))
    assert [document.text for document in documents] == ["one", "two"]
    assert (report.rows, report.empty, report.set_aside_rows) == (4, 2, 0)


def test_other_columns_become_metadata(tmp_path: Path) -> None:
    documents, _ = read(made(tmp_path, "a.jsonl", '{"text": "one", "year": 1851, "tags": ["sea"]}'))
    assert documents[0].metadata == {"year": 1851, "tags": ["sea"]}


def test_an_overlong_line_is_set_aside_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmctl.data.lines._CHUNK_BYTES", 16)
    monkeypatch.setattr("llmctl.data.lines.read_lines.__defaults__", (40,))
    content = '{"text": "one"}\n{"text": "' + "x" * 500 + '"}\n{"text": "two"}'
    file = made(tmp_path, "a.jsonl", content)
    assert texts(file) == ["one", "two"]
    assert bad_rows(file) == [(2, "longer than 64 MiB")]


def test_jsonl_in_another_encoding(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"text": "北京"}\n'.encode("gb18030"))
    assert texts(file, encoding="gb18030") == ["北京"]


@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "one"}, {"text": "two"}]',
        '[\n {\n  "text": "one"\n },\n {\n  "text": "two"\n }\n]\n',
        '\ufeff["one", "two"]',
        '{"text": "one"}\n{"text": "two"}\n',
    ],
    ids=["array", "pretty array", "texts", "one a line"],
)
def test_the_shapes_of_a_json_file(tmp_path: Path, content: str) -> None:
    assert texts(made(tmp_path, "a.json", content)) == ["one", "two"]


def test_a_single_pretty_printed_object_is_one_row(tmp_path: Path) -> None:
    assert texts(made(tmp_path, "a.json", '{\n "text": "one"\n}')) == ["one"]


def test_bad_elements_of_an_array_are_set_aside_by_their_number(tmp_path: Path) -> None:
    content = '[{"text": "one"}, 5, {"text": NaN}, {"text": "\\ud800"}, {"text": "two"}]'
    file = made(tmp_path, "a.json", content)
    assert texts(file) == ["one", "two"]
    assert [number for number, _ in bad_rows(file)] == [2, 3, 4]


def test_invalid_utf8_inside_an_array_spoils_one_element(tmp_path: Path) -> None:
    file = made(tmp_path, "a.json", b'["one", "b\xff", "two"]')
    assert texts(file) == ["one", "two"]
    assert bad_rows(file) == [(2, "not in the expected encoding")]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_an_array_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk)
    file = made(tmp_path, "a.json", ' [ "one" , "床前 }]" ,\n{"text": "two, [three]"}  ]\n ')
    assert texts(file) == ["one", "床前 }]", "two, [three]"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('["one", "two"', "ends before its closing bracket after 2 rows"),
        ('["one", "tw', "is not valid JSON after 1 rows"),
        ('["one", oops, "two"]', "is not valid JSON after 1 rows"),
        ('["one"] ["two"]', "goes on after its array of 1 rows"),
        ('{\n "text": \n}', "neither an array of objects nor one object a line"),
    ],
)
def test_a_broken_array_is_an_error_that_says_how_far_it_got(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        texts(made(tmp_path, "a.json", content))
