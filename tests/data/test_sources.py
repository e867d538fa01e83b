"""Documents and the account of every row."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from reading import made, read, texts

from llmctl.data.read_report import ReadReport
from llmctl.data.settings import ReadingSettings
from llmctl.data.sources import read_documents
from llmctl.errors import DataError, InputMissing


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def test_ids_depend_on_place_and_text_not_on_the_folder(tmp_path: Path) -> None:
    content = '{"text": "one"}\n{"text": "one"}\n{"text": "two"}\n'
    here = read(made(tmp_path, "x/a.jsonl", content))[0]
    there = read(made(tmp_path, "y/z/a.jsonl", content))[0]
    assert [document.id for document in here] == [document.id for document in there]
    assert len({document.id for document in here}) == 3


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    one = made(tmp_path, "a.jsonl", '{"text": "one"}\n{"text": ""}\n{"text": 1}\n{"text": "two"}\n')
    two = made(tmp_path, "b.txt", "three")
    _, report = read(one, two)
    counts = [(f.rows, f.documents, f.empty, f.set_aside) for f in report.files]
    assert counts == [(4, 2, 1, 1), (1, 1, 0, 0)]
    assert (report.rows, report.documents, report.empty, report.set_aside_rows) == (5, 3, 1, 1)


def test_bad_rows_are_written_with_file_line_and_reason(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"text": "one"}\noops\n')
    report = ReadReport(tmp_path / "out/bad_rows.jsonl")
    list(read_documents([str(file)], ReadingSettings(max_bad_fraction=0.5), report))
    rows = [json.loads(line) for line in (tmp_path / "out/bad_rows.jsonl").read_text().splitlines()]
    reason = "not JSON: unexpected character, expected a JSON value at column 1"
    assert rows == [{"path": str(file), "line": 2, "reason": reason}]


def test_more_bad_rows_than_allowed_is_exit_65_with_three_examples(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"text": "one"}\n' * 6 + "[1]\n" * 4)
    report = ReadReport(tmp_path / "bad_rows.jsonl")
    with pytest.raises(DataError) as caught:
        list(read_documents([str(file)], ReadingSettings(max_bad_fraction=0.3), report))
    message = caught.value.message
    assert caught.value.exit_code == 65
    assert message.startswith("4 of 10 rows cannot be used (40%; allowed are 30%)")
    assert f"all are listed in {tmp_path}/bad_rows.jsonl" in message
    assert message.count(f"{file}:") == 3
    assert f"{file}:7: an array; expected an object" in message
    assert "--max-bad 0.4 " in (caught.value.hint or "")
    assert len((tmp_path / "bad_rows.jsonl").read_text().splitlines()) == 4


def test_the_allowed_share_is_allowed(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"text": "one"}\n' * 6 + "[1]\n" * 4)
    assert len(texts(file, max_bad_fraction=0.4)) == 6


def test_lines_of_a_text_file_are_what_can_be_bad(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", b"good\n" * 999 + b"b\xffd\n")
    assert len(texts(file, max_bad_fraction=0.001)) == 1
    with pytest.raises(DataError, match=r"1 of 1,000 rows cannot be used \(0.1%"):
        texts(file, max_bad_fraction=0.0009)


def test_a_hopeless_file_is_given_up_early(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", "[1]\n" * 5000)
    report = ReadReport()
    with pytest.raises(DataError, match="1,000 of 1,000 rows"):
        list(read_documents([str(file)], ReadingSettings(), report))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv"])
@pytest.mark.parametrize("content", ["", "\ufeff"])
def test_an_empty_file_alone_is_exit_65(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        texts(made(tmp_path, name, content))


def test_an_empty_file_among_others_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texts(made(tmp_path, "a.txt", ""), made(tmp_path, "b.txt", "text")) == ["text"]
    assert "a.txt is empty" in capsys.readouterr().err


def test_blank_text_alone_is_exit_65(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no text"):
        texts(made(tmp_path, "a.jsonl", '{"text": " "}\n'))


def test_the_only_column_of_text_is_taken(tmp_path: Path) -> None:
    assert texts(made(tmp_path, "a.jsonl", '{"n": 1, "sentence": "one"}')) == ["one"]


def test_a_column_called_text_is_preferred_though_the_first_row_lacks_it(tmp_path: Path) -> None:
    file = made(tmp_path, "a.jsonl", '{"id": "x"}\n{"id": "y", "text": "one"}\n')
    assert texts(file) == ["one"]


def test_a_list_of_texts_is_joined_by_newlines(tmp_path: Path) -> None:
    file = made(tmp_path, "a.json", '[{"author": "李白", "lines": ["床前明月光", "疑是地上霜"]}]')
    assert texts(file, text_column="lines") == ["床前明月光\n疑是地上霜"]


def test_no_column_of_text_is_exit_66(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no column holds text; its columns are n, m"):
        texts(made(tmp_path, "a.jsonl", '{"n": 1, "m": [2]}'))


def test_standard_input_is_text_or_json_lines_by_its_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b'\n{"text": "one"}\n{"text": "two"}\n'))
    assert texts("-") == ["one", "two"]
    monkeypatch.setattr("sys.stdin", _Stdin(b"{ braces }\nare text\n"))
    assert texts("-") == ["{ braces }\nare text"]


def test_an_empty_standard_input_is_exit_65(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(b""))
    with pytest.raises(DataError, match="- is empty"):
        texts("-")


def test_progress_counts_the_bytes_of_the_files(tmp_path: Path) -> None:
    file = made(tmp_path, "a.txt", "x" * 5000)
    seen: list[int] = []
    report = ReadReport(on_bytes=seen.append)
    list(read_documents([str(file)], ReadingSettings(), report))
    assert sum(seen) == 5000
