"""Stored results are read strictly, older ones too, and compared only where they may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import DataError, InputMissing
from llmctl.evaluation.outcome import Metric, Outcome
from llmctl.evaluation.paired_tests import NotComparable
from llmctl.evaluation.stored import check_same_conditions, read_result

SIGNATURE = "bleu|tok:zh|case:mixed"


def content(**changed: Any) -> dict[str, Any]:
    bleu = {"value": 30.5, "higher_is_better": True, "null_reason": None, "signature": SIGNATURE}
    return {
        "schema": 2, "kind": "evaluation", "task": "score", "signature": "score|data:ab",
        "metrics": {"bleu": bleu, "ter": {**bleu, "value": None, "null_reason": "no words"}},
        "data": {"sha256": "ab" * 32}, "decoding": {"beams": 1}, "examples": None, **changed,
    }  # fmt: skip


def write(folder: Path, **changed: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps(content(**changed)))
    return folder


def outcome(
    signature: str | None = SIGNATURE,
    sha256: str = "ab" * 32,
    decoding: dict[str, Any] | None = None,
) -> Outcome:
    return Outcome(
        [Metric("bleu", 31.0, higher_is_better=True, signature=signature)],
        signature={"data": "ab"}, data={"sha256": sha256}, decoding=decoding or {},
    )  # fmt: skip


def refusal(stored: Path, now: Outcome, name: str = "bleu") -> str:
    with pytest.raises(NotComparable) as caught:
        check_same_conditions(read_result(stored), "score", now, name)
    return str(caught.value)


def test_a_result_is_found_by_its_file_or_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    assert read_result(folder).value("bleu") == 30.5
    assert read_result(folder / "results.json").value("bleu") == 30.5


def test_the_same_conditions_may_be_compared(tmp_path: Path) -> None:
    stored = read_result(write(tmp_path / "a"))
    check_same_conditions(stored, "score", outcome(decoding={"beams": 1}), "bleu")
    check_same_conditions(stored, "score", outcome(), "bleu")  # decoding is not known


def test_an_older_result_is_compared_by_its_one_signature(tmp_path: Path) -> None:
    old = {"value": 30.5, "unit": "", "higher_is_better": True, "null_reason": None}
    folder = write(tmp_path / "a", schema=1, metrics={"bleu": old})
    stored = read_result(folder)
    check_same_conditions(stored, "score", outcome(signature=None), "bleu")
    with pytest.raises(NotComparable, match="keeps no examples"):
        stored.rows()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (outcome("bleu|tok:13a|case:mixed"), "signatures differ (tok:zh in"),
        (outcome("bleu|tok:zh"), "case:mixed in"),
        (outcome(sha256="cd" * 32), "measured on other data (abababab there, cdcdcdcd here)"),
        (outcome(decoding={"beams": 4}), "decoded otherwise (beams:1 then, 4 now)"),
    ],
)
def test_other_conditions_are_named(tmp_path: Path, now: Outcome, said: str) -> None:
    assert said in refusal(write(tmp_path / "a"), now)


def test_other_numbers_of_examples_are_not_compared(tmp_path: Path) -> None:
    bleu = content()["metrics"]["bleu"]
    folder = write(tmp_path / "a", metrics={"bleu": {**bleu, "n": 1000}})
    now = Outcome([Metric("bleu", 31.0, signature=SIGNATURE, n=900)], {}, data=content()["data"])
    assert "was measured on 1,000 examples, not 900" in refusal(folder, now)


def test_numbers_that_are_not_there_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    assert "has no such number; it has bleu, ter" in refusal(folder, outcome(), "chrf")
    assert "it is null" in refusal(folder, outcome(), "ter")
    assert "no words" in refusal(folder, outcome(), "ter")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": 99}, "schema 99"),
        ({"kind": "comparison"}, "not the result of an evaluation"),
    ],
)
def test_what_is_no_result_is_code_65(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    folder = write(tmp_path / "a", **changed)
    with pytest.raises(DataError, match=said):
        read_result(folder)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"kind": "evaluation", "schema": 2}'])
def test_a_damaged_result_is_code_65(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError):
        read_result(tmp_path)


def test_a_result_that_is_not_there_is_code_66(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        read_result(tmp_path / "none.json")


def test_examples_must_be_those_that_were_written(tmp_path: Path) -> None:
    examples = {"count": 1, "sha256": "ef" * 32, "measures": {}}
    stored = read_result(write(tmp_path / "a", examples=examples))
    with pytest.raises(NotComparable, match="is missing"):
        stored.rows()
    (tmp_path / "a" / "predictions.jsonl").write_text('{"prediction": "x"}\n')
    with pytest.raises(DataError, match="was changed"):
        stored.rows()
