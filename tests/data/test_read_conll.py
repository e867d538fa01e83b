"""CoNLL files: sentences, comments, columns, and lines that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from reading import made

from llmctl.data import read_conll as module
from llmctl.data.inputs import find_inputs
from llmctl.data.read_conll import read_conll
from llmctl.data.rows import BadRow, Row
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError


def rows(path: Path, encoding: str = "utf-8") -> list[Row | BadRow]:
    [file] = find_inputs([str(path)])
    return list(read_conll(file, ReadingSettings(encoding=encoding), lambda _: None))


def sentences(tmp_path: Path, content: str | bytes) -> list[list[list[str]]]:
    found = rows(made(tmp_path, "a.conll", content))
    assert not [row for row in found if isinstance(row, BadRow)]
    return [row.value["columns"] for row in found]  # type: ignore[index, union-attr]


def test_a_row_holds_every_column_and_the_line_of_every_word(tmp_path: Path) -> None:
    file = made(tmp_path, "a.conll", "EU NNP B-ORG\nsays VBZ O\n\n\nYes UH O\n")
    assert rows(file) == [
        Row(1, {"columns": [["EU", "says"], ["NNP", "VBZ"], ["B-ORG", "O"]], "lines": [1, 2]}, 2),
        Row(5, {"columns": [["Yes"], ["UH"], ["O"]], "lines": [5]}, 1),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("a\tO\n\t\nb\tO\n", [["a"], ["b"]], id="a line of one tab"),
        pytest.param("a\tO\n  \nb\tO", [["a"], ["b"]], id="blanks, and no newline at the end"),
        pytest.param("a O\r\n\r\nb O\r\n", [["a"], ["b"]], id="carriage returns"),
        pytest.param("\ufeffa O\n\nb O\n", [["a"], ["b"]], id="byte-order mark"),
        pytest.param("-DOCSTART- O\n\na O\n", [["a"]], id="document marks"),
        pytest.param("-DOCSTART- O\na O\n\nb O\n", [["a"], ["b"]], id="a mark within a sentence"),
        pytest.param("New York\tO\n\nb\tO\n", [["New York"], ["b"]], id="blanks within a column"),
        pytest.param("a\u2028b\tO\n\n\u00a0x\tO\n", [["a\u2028b"], ["\u00a0x"]], id="odd blanks"),
        pytest.param("北京\tB-LOC\n欢迎\tO\n\n你\tO\n", [["北京", "欢迎"], ["你"]], id="Chinese"),
        pytest.param("a   O \n\nb O\n", [["a"], ["b"]], id="several blanks"),
    ],
)
def test_words_of_sentences(tmp_path: Path, content: str, expected: list[list[str]]) -> None:
    assert [columns[0] for columns in sentences(tmp_path, content)] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("# id = 1\na\tO\n\n#\tO\nb\tO\n", [["a"], ["#", "b"]], id="tabs"),
        pytest.param("#hash\tO\n#tag\tO\n\na\tO\n", [["#hash", "#tag"], ["a"]], id="only hashes"),
        pytest.param("# sent = 1\na b c O\n", [["a"]], id="a comment of as many words"),
        pytest.param("# O\na O\n\nb O\n", [["#", "a"], ["b"]], id="blanks"),
        pytest.param("# id 7\tdomain=en\na _ _ O\n", [["a"]], id="a comment with a tab"),
        pytest.param("a\tO\n# \tO\n", [["a", "#"]], id="after the first word"),
        pytest.param("# nothing else\n\na\tO\n", [["a"]], id="comments alone"),
    ],
)
def test_a_comment_is_told_from_a_word(
    tmp_path: Path, content: str, expected: list[list[str]]
) -> None:
    assert [columns[0] for columns in sentences(tmp_path, content)] == expected


def test_ranges_and_empty_words_of_conllu_are_left_out(tmp_path: Path) -> None:
    content = "# text = del mar\n1-2\tdel\t_\n1\tde\tADP\n2\tel\tDET\n2.1\tx\tX\n3\tmar\tNOUN\n"
    [columns] = sentences(tmp_path, content)
    assert columns[1] == ["de", "el", "mar"]


def test_a_score_is_a_word_where_the_first_column_does_not_count(tmp_path: Path) -> None:
    [columns] = sentences(tmp_path, "won\tVB\tO\n1-2\tCD\tO\n")
    assert columns[0] == ["won", "1-2"]


def test_a_line_with_other_columns_spoils_its_sentence(tmp_path: Path) -> None:
    file = made(tmp_path, "a.conll", "a O\nb O\n\nc O\nd\n\nNew York O\n\ne O\n")
    found = rows(file)
    assert [row for row in found if isinstance(row, BadRow)] == [
        BadRow(5, "1 column; expected 2, as most of the file has"),
        BadRow(7, "3 columns; expected 2, as most of the file has"),
    ]
    assert [row.number for row in found] == [1, 5, 7, 9]


def test_a_line_that_cannot_be_decoded_spoils_its_sentence(tmp_path: Path) -> None:
    file = made(tmp_path, "a.conll", b"a O\n\nb\xff O\nc O\n\nd O\n")
    bad = [row for row in rows(file) if isinstance(row, BadRow)]
    assert [(row.number, row.reason) for row in bad] == [(3, "not utf-8 at byte 2 of the line")]


def test_other_encodings_and_compression(tmp_path: Path) -> None:
    file = made(tmp_path, "a.iob2.gz", gzip.compress("中\tO\n".encode("gb18030")))
    [row] = rows(file, encoding="gb18030")
    assert isinstance(row, Row)
    assert row.value["columns"] == [["中"], ["O"]]  # type: ignore[index]


def test_a_file_without_blank_lines_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_SENTENCE", 3)
    with pytest.raises(DataError, match="no blank line between lines 1 and 4"):
        rows(made(tmp_path, "a.conll", "a O\nb O\nc O\nd O\n"))


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert rows(made(tmp_path, "a.conll", "\n\n")) == []
