"""What `llmctl score` cannot score is refused with its file and line, before any number."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome

Llmctl = Callable[..., Outcome]

GOOD: dict[str, Any] = {"prediction": "a b c d", "reference": "a b c e"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("metric", "rows", "said"),
    [
        ("bleu", [GOOD, {"reference": "x"}], "line 2: column 'prediction' is missing"),
        ("bleu", [GOOD, {"prediction": "x"}], "line 2: column 'reference' is missing"),
        ("bleu", [GOOD, {**GOOD, "prediction": None}], "line 2: prediction 2 is None"),
        ("bleu", [GOOD, {**GOOD, "prediction": 7}], "line 2: prediction 2 is int 7; a string"),
        ("bleu", [GOOD, {**GOOD, "reference": []}], "line 2: prediction 2 has no reference"),
        ("bleu", [GOOD, {**GOOD, "reference": [3]}], "line 2: a reference of prediction 2 is int"),
        (
            "bleu", [GOOD, {"prediction": None, "error": "too long", "reference": "x"}],
            "line 2: the row was not predicted: too long",
        ),
        ("accuracy", [{"prediction": 1, "reference": -1}], "line 1: reference 1 is -1"),
        ("accuracy", [{"prediction": 1.5, "reference": 1}], "line 1: prediction 1 is float 1.5"),
        ("pearson", [{"prediction": "x", "reference": 1}], "line 1: prediction 1 is the text 'x'"),
        (
            "seqeval", [{"prediction": ["O"], "reference": ["O", "O"]}],
            "line 1: row 1 has 1 predicted tags and 2 reference tags",
        ),
        ("seqeval", [{"prediction": ["X-A"], "reference": ["O"]}], "line 1: prediction 1, word 1"),
        ("squad", [{"prediction": "x", "reference": []}], "line 1: reference 1 has no answer"),
        (
            "roc_auc", [{"prediction": {"a": 1.0}, "reference": "b"}],
            "line 1: reference 1 is 'b', which is not one of the classes",
        ),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_code_65_with_its_place(
    llmctl: Llmctl, tmp_path: Path, metric: str, rows: list[Any], said: str
) -> None:
    path = write(tmp_path / "p.jsonl", *rows)
    outcome = llmctl("score", path, "--metric", metric, "-o", tmp_path / "out")
    assert outcome.code == 65
    assert f"error: {path}, {said}" in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "out" / "results.json").exists()


def test_many_bad_rows_are_counted_and_the_first_ones_shown(llmctl: Llmctl, tmp_path: Path) -> None:
    bad = [{"prediction": None, "error": f"fault {n}", "reference": "x"} for n in range(9)]
    outcome = llmctl("score", write(tmp_path / "p.jsonl", GOOD, *bad), "--metric", "bleu")
    assert outcome.code == 65
    assert "error: 9 rows are in error:\n" in outcome.err
    assert "line 2: the row was not predicted: fault 0" in outcome.err
    assert "fault 5" not in outcome.err
    assert "and 4 more" in outcome.err
    assert "llmctl predict" in outcome.err


def test_lines_are_numbered_as_in_the_file(llmctl: Llmctl, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n" + json.dumps({**GOOD, "prediction": 1}) + "\n")
    assert "line 3: prediction 2 is int 1" in llmctl("score", path, "--metric", "bleu").err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"prediction": "a"', "line 1: not JSON"),
        (b'{"prediction": "a", "prediction": "b"}\n', "same key twice"),
        (b'{"prediction": NaN}\n', "not JSON: NaN"),
        (b"[1]\n", "expected an object"),
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        ("é".encode("latin-1"), "line 1"),
    ],
)
def test_a_damaged_file_is_code_65(
    llmctl: Llmctl, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    outcome = llmctl("score", path, "--metric", "bleu")
    assert outcome.code == 65
    assert said in outcome.err


def test_files_that_are_not_as_long_are_code_65(llmctl: Llmctl, tmp_path: Path) -> None:
    said, true = tmp_path / "said.txt", tmp_path / "true.txt"
    said.write_text("a\nb\n")
    true.write_text("a\nb\nc\n")
    outcome = llmctl("score", said, "--references", true, "--metric", "bleu")
    assert outcome.code == 65
    assert f"{said} has 2 predictions and {true} references for 3" in outcome.err


def test_rows_with_other_ids_do_not_belong_together(llmctl: Llmctl, tmp_path: Path) -> None:
    said = write(tmp_path / "a.jsonl", {"id": 1, "prediction": "x"}, {"id": 2, "prediction": "y"})
    true = write(tmp_path / "b.jsonl", {"id": 1, "reference": "x"}, {"id": 3, "reference": "y"})
    outcome = llmctl("score", said, "--references", true, "--metric", "bleu")
    assert outcome.code == 65
    assert f"{said}, line 2 has the id 2 and {true}, line 2 the id 3" in outcome.err


def test_an_interrupted_file_of_predictions_is_code_65(llmctl: Llmctl, tmp_path: Path) -> None:
    rows = [{**GOOD, "_llmctl": {"row": row, "input": "x"}} for row in (2, 1)]
    outcome = llmctl("score", write(tmp_path / "p.jsonl", *rows), "--metric", "bleu")
    assert outcome.code == 65
    assert "unfinished" in outcome.err


def test_missing_files_and_columns_are_code_66(llmctl: Llmctl, tmp_path: Path) -> None:
    path = write(tmp_path / "preds.jsonl", {"output": "a", "target": "b"})
    gone = llmctl("score", tmp_path / "pred.jsonl", "--metric", "bleu")
    assert gone.code == 66
    assert f"did you mean {path}?" in gone.err
    assert llmctl("score", "some/thing", "--metric", "bleu").code == 66  # no data set on the Hub
    column = llmctl("score", path, "--metric", "bleu")
    assert column.code == 66
    assert "has no column 'prediction'; its columns are output, target" in column.err
    reference = llmctl("score", path, "--metric", "bleu", "--prediction-column", "output")
    assert reference.code == 66
    assert "hint: --reference-column target" in reference.err
    words = ("--metric", "bleu", "--references", tmp_path / "none.txt")
    assert llmctl("score", write(tmp_path / "q.jsonl", GOOD), *words).code == 66


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no metric was named"),
        (["--metric", "blue"], "did you mean 'bleu'?"),
        (["--metric", "bleu", "--gate", "rouge_l>3"], "no number is called 'rouge_l'"),
        (["--metric", "bleu", "--gate", "bleu=>3"], "cannot be read"),
        (["--metric", "bleu", "--option", "bleu.case=lc"], "bleu has no option 'case'; it has"),
        (["--metric", "bleu", "--option", "bleu.lowercase=7"], "option bleu.lowercase"),
        (["--metric", "bleu", "--option", "lowercase=true"], "--option bleu.lowercase=true"),
        (["--metric", "bleu", "--option", "chrf.beta=2"], "measured are bleu"),
        (["--metric", "bleu", "--option", "bleu.lowercase"], "option 'bleu.lowercase'"),
        (["--metric", "bleu", "--language", "klingon!"], "language 'klingon!'"),
        (["--metric", "bleu", "--encoding", "utf-99"], "utf-99"),
    ],
)
def test_wrong_words_are_usage_errors(
    llmctl: Llmctl, tmp_path: Path, words: list[str], said: str
) -> None:
    outcome = llmctl("score", write(tmp_path / "p.jsonl", GOOD), *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.out == ""


def test_one_line_is_of_one_kind(llmctl: Llmctl, tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("a b\n")
    words = ("--metric", "bleu", "--metric", "seqeval", "--references", path)
    outcome = llmctl("score", path, *words)
    assert outcome.code == 2
    assert "one line cannot be text and tags at once" in outcome.err
    labels = ("--metric", "accuracy", "--references", path, "--references", path)
    assert llmctl("score", path, *labels).code == 2


def test_predictions_that_are_read_or_not_ours_are_never_overwritten(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    path = write(tmp_path / "predictions.jsonl", GOOD)
    outcome = llmctl("score", path, "--metric", "bleu", "-o", tmp_path)
    assert outcome.code == 2
    assert "would be lost" in outcome.err
    other = write(tmp_path / "other.jsonl", GOOD)
    assert llmctl("score", other, "--metric", "bleu", "-o", tmp_path).code == 2
    assert path.read_text() == json.dumps(GOOD) + "\n"
    out = tmp_path / "out"
    for _ in range(2):
        assert llmctl("score", other, "--metric", "bleu", "-o", out).code == 0
    again = llmctl("score", out / "predictions.jsonl", "--metric", "bleu", "-o", out)
    assert again.code == 2
    assert (out / "predictions.jsonl").exists()


def test_a_run_folder_is_no_place_for_reports(llmctl: Llmctl, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    path = write(tmp_path / "p.jsonl", GOOD)
    assert llmctl("score", path, "--metric", "bleu", "-o", tmp_path).code == 2
    assert llmctl("score", path, "--metric", "bleu", "-o", path).code == 2


def test_compressed_rows_are_read(llmctl: Llmctl, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    assert llmctl("score", path, "--metric", "bleu").code == 0
