"""SQuAD files and their relatives: nested, flat, one a line, and what is wrong in them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from reading import made, read

from llmctl.data.inputs import find_inputs
from llmctl.data.readers import READERS
from llmctl.data.rows import BadRow, Row
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError

ANSWER = {"text": "10", "answer_start": 11}
QUESTION = {"id": "q1", "question": "How many?", "answers": [ANSWER]}
IMPOSSIBLE = {
    "id": "q2", "question": "And Paris?", "answers": [], "is_impossible": True,
    "plausible_answers": [ANSWER],
}  # fmt: skip
PARAGRAPH = {"context": "Berlin has 10 inhabitants.", "qas": [QUESTION, IMPOSSIBLE]}
ARTICLE = {"title": "Test", "paragraphs": [PARAGRAPH]}
ROWS = [
    {
        "title": "Test", "context": "Berlin has 10 inhabitants.", "id": "q1",
        "question": "How many?", "answers": {"text": ["10"], "answer_start": [11]},
    },
    {
        "title": "Test", "context": "Berlin has 10 inhabitants.", "id": "q2",
        "question": "And Paris?", "answers": {"text": [], "answer_start": []},
        "is_impossible": True,
    },
]  # fmt: skip


def rows(path: Path, reader: str = "squad") -> list[Row | BadRow]:
    [file] = find_inputs([str(path)])
    return list(READERS.get(reader)(file, ReadingSettings(), lambda _: None))


def values(path: Path, reader: str = "squad") -> list[Any]:
    found = rows(path, reader)
    assert not [row for row in found if isinstance(row, BadRow)]
    return [row.value for row in found]  # type: ignore[union-attr]


@pytest.mark.parametrize("reader", ["squad", "json"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "top",
    [
        pytest.param({"version": "v2.0", "data": [ARTICLE]}, id="version first"),
        pytest.param({"data": [ARTICLE], "version": 2.0}, id="data first"),
        pytest.param({"version": 2.0, "data": ROWS}, id="flat rows"),
    ],
)
def test_every_question_is_a_row(tmp_path: Path, reader: str, indent: int | None, top: Any) -> None:
    file = made(tmp_path, "a.json", json.dumps(top, indent=indent))
    assert values(file, reader) == ROWS
    assert [row.number for row in rows(file, reader)] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.json", json.dumps([ARTICLE]), id="an array of articles"),
        pytest.param("a.json", json.dumps([{**PARAGRAPH, "title": "Test"}]), id="of paragraphs"),
        pytest.param("a.jsonl", json.dumps(ARTICLE) + "\n", id="an article a line"),
        pytest.param("a.jsonl", "\n".join(json.dumps(row) for row in ROWS), id="a row a line"),
        pytest.param("a.json.gz", gzip.compress(json.dumps({"data": [ARTICLE]}).encode()), id="gz"),
    ],
)
def test_arrays_and_lines(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert values(made(tmp_path, name, content)) == ROWS


def test_the_first_cmrc_files(tmp_path: Path) -> None:
    paragraph = {
        "context_id": "T0", "context_text": "北京是中国的首都。", "title": "北京",
        "qas": [{"query_id": "T0Q0", "query_text": "首都？", "answers": ["北京", "北京"]}],
    }  # fmt: skip
    [row] = values(made(tmp_path, "a.json", json.dumps([paragraph], ensure_ascii=False)))
    assert row["context"] == "北京是中国的首都。"
    assert (row["id"], row["question"]) == ("T0Q0", "首都？")
    assert row["answers"] == {"text": ["北京", "北京"], "answer_start": [None, None]}


def test_rows_that_only_look_like_a_squad_file(tmp_path: Path) -> None:
    lines = '{"id": 1, "data": [{"x": 1}]}\n{"id": 2, "data": []}\n'
    assert values(made(tmp_path, "a.json", lines), "json") == [
        {"id": 1, "data": [{"x": 1}]},
        {"id": 2, "data": []},
    ]


def test_texts_below_data_can_be_pretrained_on(tmp_path: Path) -> None:
    file = made(tmp_path, "a.json", '{"data": [{"text": "one"}, {"text": "two"}]}')
    assert [document.text for document in read(file)[0]] == ["one", "two"]


def test_a_faulty_question_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    faulty = [{**QUESTION, "answers": 7}, {**QUESTION, "answers": [3]}, "a text", QUESTION]
    top = {"data": [{"paragraphs": [{**PARAGRAPH, "qas": faulty}]}]}
    found = rows(made(tmp_path, "a.json", json.dumps(top)))
    assert found[:3] == [
        BadRow(1, "question q1: answers is no list"),
        BadRow(2, "question q1: an answer is neither a text nor an object with a text"),
        BadRow(3, "a value; expected an object"),
    ]
    assert isinstance(found[3], Row)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"data": [\n{"a": 1},\n{"b" 2}]}', ":3:6: not JSON", id="not JSON"),
        pytest.param('{"data": [{"a": 1}', ":1:19: not JSON", id="cut short"),
        pytest.param('{"data": [{"a": 1, "a": 2}]}', "same key twice", id="a key twice"),
        pytest.param(b'{"data": [{"a": "\xff"}]}', "not utf-8", id="not UTF-8"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    file = made(tmp_path, "a.json", content)
    with pytest.raises(DataError, match=message) as error:
        rows(file)
    assert str(file) in str(error.value)
