"""`llmctl compare`: differences with intervals and paired tests, refused where it means nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome
from scipy.stats import binomtest

Llmctl = Callable[..., Outcome]


def scored(llmctl: Llmctl, folder: Path, said: list[Any], true: list[Any], *words: object) -> Path:
    folder.mkdir()
    rows = folder / "rows.jsonl"
    pairs = zip(said, true, strict=True)
    rows.write_text("".join(json.dumps({"prediction": p, "reference": r}) + "\n" for p, r in pairs))
    outcome = llmctl("score", rows, *words, "-o", folder / "out", "--quiet")
    assert outcome.code == 0, outcome.err
    return folder / "out"


TRUE = ["yes" if n % 3 else "no" for n in range(60)]
BETTER = [label if n % 10 else "no" for n, label in enumerate(TRUE)]
WORSE = [label if n % 4 else "no" for n, label in enumerate(TRUE)]


@pytest.fixture
def two(llmctl: Llmctl, tmp_path: Path) -> tuple[Path, Path]:
    words = ("--metric", "accuracy", "--metric", "f1_macro")
    return (
        scored(llmctl, tmp_path / "a", BETTER, TRUE, *words),
        scored(llmctl, tmp_path / "b", WORSE, TRUE, *words),
    )


def test_shares_have_exact_tests_and_others_randomised_ones(
    llmctl: Llmctl, two: tuple[Path, Path]
) -> None:
    outcome = llmctl("compare", *two, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    accuracy, f1 = found["metrics"]["accuracy"], found["metrics"]["f1_macro"]
    lost = sum(b == t != w for b, w, t in zip(BETTER, WORSE, TRUE, strict=True))
    won = sum(w == t != b for b, w, t in zip(BETTER, WORSE, TRUE, strict=True))
    assert accuracy["difference"] == pytest.approx((won - lost) / 60)
    assert accuracy["p"] == pytest.approx(binomtest(lost, lost + won).pvalue)
    assert (accuracy["examples"], accuracy["differing"]) == (60, lost + won)
    assert accuracy["interval"][0] < accuracy["difference"] < accuracy["interval"][1]
    assert f1["method"] == "approximate randomisation, 10,000 trials"
    assert f1["p"] == pytest.approx(accuracy["p"], abs=0.05)
    assert found["first"]["path"] == str(two[0] / "results.json")


def test_a_table_for_people_fits_a_terminal(llmctl: Llmctl, two: tuple[Path, Path]) -> None:
    outcome = llmctl("compare", *two)
    assert outcome.code == 0
    assert outcome.err == ""
    table = outcome.out.split("\n\n")[1]
    assert table.splitlines()[0].split() == [
        "metric", "first", "second", "difference", "95", "%", "interval", "p",
    ]  # fmt: skip
    assert max(map(len, table.splitlines())) <= 80


def test_the_other_way_round_is_the_opposite(llmctl: Llmctl, two: tuple[Path, Path]) -> None:
    one = json.loads(llmctl("compare", *two, "--json").out)["metrics"]["accuracy"]
    other = json.loads(llmctl("compare", *reversed(two), "--json").out)["metrics"]["accuracy"]
    assert other["difference"] == pytest.approx(-one["difference"])
    assert other["p"] == pytest.approx(one["p"])


def test_labels_that_one_system_alone_gives_do_not_disturb_the_test(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    words = ("--metric", "f1_macro")
    plain = scored(
        llmctl, tmp_path / "a", ["a", "b", "b", "a"] * 4, ["a", "b", "a", "a"] * 4, *words
    )
    more = scored(
        llmctl, tmp_path / "b", ["a", "c", "b", "a"] * 4, ["a", "b", "a", "a"] * 4, *words
    )
    found = json.loads(llmctl("compare", plain, more, "--json").out)["metrics"]["f1_macro"]
    assert found["p"] is not None
    assert found["second"] < found["first"]


def test_other_references_are_code_4(
    llmctl: Llmctl, two: tuple[Path, Path], tmp_path: Path
) -> None:
    other = scored(llmctl, tmp_path / "c", BETTER, TRUE[::-1], "--metric", "accuracy")
    outcome = llmctl("compare", two[0], other)
    assert outcome.code == 4
    assert "measured on other data" in outcome.err
    assert outcome.out == ""


def test_other_signatures_are_code_4_and_the_rest_can_be_named(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    texts = ["the cat sat here", "a dog ran there fast"]
    words = ("--metric", "bleu", "--metric", "rouge_1")
    one = scored(llmctl, tmp_path / "a", texts, texts, *words)
    other = scored(llmctl, tmp_path / "b", texts, texts, *words, "--option", "bleu.lowercase=true")
    outcome = llmctl("compare", one, other)
    assert outcome.code == 4
    assert "bleu: signatures differ (case:mixed in first, lc in second)" in outcome.err
    assert "hint: --metric rouge_1 compares the others" in outcome.err
    assert llmctl("compare", one, other, "--metric", "rouge_1").code == 0


def test_results_without_examples_show_differences_alone(
    llmctl: Llmctl, two: tuple[Path, Path]
) -> None:
    (two[1] / "predictions.jsonl").unlink()
    outcome = llmctl("compare", *two, "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["metrics"]["accuracy"]["p"] is None
    assert "is missing" in found["notes"][0]


def test_changed_predictions_are_code_65(llmctl: Llmctl, two: tuple[Path, Path]) -> None:
    path = two[1] / "predictions.jsonl"
    path.write_text(path.read_text().replace('"prediction":"no"', '"prediction":"yes"', 1))
    outcome = llmctl("compare", *two)
    assert outcome.code == 65
    assert "was changed" in outcome.err


def test_a_number_of_neither_is_a_usage_error(llmctl: Llmctl, two: tuple[Path, Path]) -> None:
    outcome = llmctl("compare", *two, "--metric", "accurracy")
    assert outcome.code == 2
    assert "did you mean 'accuracy'?" in outcome.err


def test_results_that_are_not_there_or_none_are_66_and_65(
    llmctl: Llmctl, two: tuple[Path, Path], tmp_path: Path
) -> None:
    assert llmctl("compare", two[0], tmp_path / "none").code == 66
    (tmp_path / "x.json").write_text('{"validation": {}}')
    assert llmctl("compare", two[0], tmp_path / "x.json").code == 65
