"""`--baseline`, `--max-drop`, `--significant`, `--update-baseline`: verdicts and exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest
from conftest import Outcome

Llmctl = Callable[..., Outcome]

TRUE = [str(n % 3) for n in range(200)]


def wrong_on(count: int) -> list[str]:
    """Labels of which the first `count` are wrong."""
    return ["9"] * count + TRUE[count:]


def write(path: Path, said: list[str], true: list[str] | None = None) -> Path:
    pairs = zip(said, true or TRUE, strict=True)
    rows = ({"prediction": p, "reference": r} for p, r in pairs)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def scores(llmctl: Llmctl, tmp_path: Path) -> Callable[..., Outcome]:
    """Score so many wrong labels of 200 by accuracy, with more words."""

    def call(wrong: int, *words: object) -> Outcome:
        rows = write(tmp_path / f"{wrong}.jsonl", wrong_on(wrong))
        return llmctl("score", rows, "--metric", "accuracy", *words)

    return call


@pytest.fixture
def base(scores: Callable[..., Outcome], tmp_path: Path) -> Path:
    path = tmp_path / "base.json"
    outcome = scores(20, "--baseline", path, "--update-baseline")
    assert outcome.code == 0, outcome.err
    return path


def gate_of(outcome: Outcome) -> dict[str, Any]:
    (gate,) = json.loads(outcome.out)["gates"]
    assert isinstance(gate, dict)
    return gate


def test_a_drop_beyond_the_margin_is_code_3(scores: Callable[..., Outcome], base: Path) -> None:
    words = ("--baseline", base, "--max-drop", "accuracy=0.02")
    assert scores(24, *words).code == 0  # 0.9 - 0.88
    assert scores(10, *words).code == 0
    outcome = scores(25, *words)
    assert outcome.code == 3
    assert "accuracy 0.875 is 0.025 below the 0.9 of the baseline; 0.02 is allowed" in outcome.err
    assert scores(25, "--baseline", base, "--max-drop", "accuracy=3%").code == 0


def test_a_drop_that_may_be_chance_passes(scores: Callable[..., Outcome], base: Path) -> None:
    words = ("--baseline", base, "--max-drop", "accuracy=0", "--significant", "0.05", "--json")
    few = scores(24, *words)  # four of four: p = 1/16
    assert few.code == 0
    assert gate_of(few)["p"] == pytest.approx(1 / 16)
    more = scores(25, *words)  # five of five: p = 1/32
    assert more.code == 3
    gate = gate_of(more)
    assert gate["method"] == "McNemar's exact test"
    assert gate["p"] == pytest.approx(1 / 32)
    assert 0.02 < gate["detectable_drop"] < 0.1


def test_the_smallest_detectable_drop_is_in_every_report(
    scores: Callable[..., Outcome], base: Path, tmp_path: Path
) -> None:
    words = ("--baseline", base, "--max-drop", "accuracy=0", "--significant", "0.05")
    outcome = scores(23, *words, "-o", tmp_path / "out")
    assert outcome.code == 0
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    size = f"{written['gates'][0]['detectable_drop']:.2g}"
    for text in (outcome.out, (tmp_path / "out" / "report.md").read_text()):
        assert "detects" in text
        assert size in text
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_a_result_folder_is_a_baseline_too(scores: Callable[..., Outcome], tmp_path: Path) -> None:
    assert scores(20, "-o", tmp_path / "main").code == 0
    words = ("--max-drop", "accuracy=0", "--significant", "0.05")
    assert scores(30, "--baseline", tmp_path / "main", *words).code == 3
    assert scores(30, "--baseline", tmp_path / "main" / "results.json", *words).code == 3


def test_several_significance_gates_are_corrected(
    llmctl: Llmctl, tmp_path: Path, base: Path
) -> None:
    both = ("--metric", "accuracy", "--metric", "exact_match")
    old = write(tmp_path / "old.jsonl", wrong_on(20))
    new = write(tmp_path / "new.jsonl", wrong_on(25))
    path = tmp_path / "both.json"
    assert llmctl("score", old, *both, "--baseline", path, "--update-baseline").code == 0
    gates = ("--max-drop", "accuracy=0", "--max-drop", "exact_match=0", "--significant", "0.05")
    outcome = llmctl("score", new, *both, "--baseline", path, *gates)
    assert outcome.code == 0, outcome.err  # both have p = 1/32, above 0.05 / 2


def test_corpus_metrics_are_tested_by_randomisation(llmctl: Llmctl, tmp_path: Path) -> None:
    true = [f"{fakes.make_documents(1, seed=n)[0][:60]} {n}" for n in range(40)]
    worse = [" ".join(line.split()[:-2]) for line in true]
    old, new = write(tmp_path / "a.jsonl", true, true), write(tmp_path / "b.jsonl", worse, true)
    words = ("--metric", "bleu", "--metric", "chrf", "--baseline", tmp_path / "base.json")
    assert llmctl("score", old, *words, "--update-baseline").code == 0
    gates = ("--max-drop", "bleu=0.5", "--max-drop", "chrf=0.5", "--significant", "0.05", "--json")
    outcome = llmctl("score", new, *words, *gates)
    assert outcome.code == 3
    gates_found = json.loads(outcome.out)["gates"]
    assert [gate["p"] for gate in gates_found] == [1 / 10_001] * 2
    assert gates_found[0]["method"] == "approximate randomisation, 10,000 trials"


def test_a_baseline_of_other_data_is_code_4(llmctl: Llmctl, tmp_path: Path, base: Path) -> None:
    rows = write(tmp_path / "other.jsonl", wrong_on(20), TRUE[::-1])
    outcome = llmctl(
        "score", rows, "--metric", "accuracy", "--baseline", base, "--max-drop", "accuracy=0.5"
    )
    assert outcome.code == 4
    assert "measured on other data" in outcome.err


def test_a_baseline_of_another_signature_is_code_4(
    scores: Callable[..., Outcome], base: Path
) -> None:
    outcome = scores(
        20, "--option", "classification.labels=['0', '1', '2', '9']", "--baseline", base,
        "--max-drop", "accuracy=0.5",
    )  # fmt: skip
    assert outcome.code == 4
    assert "signatures differ (labels:seen in" in outcome.err


def test_a_baseline_of_another_decoding_is_code_4(llmctl: Llmctl, tmp_path: Path) -> None:
    rows = write(tmp_path / "preds.jsonl", wrong_on(20))
    settings = tmp_path / "preds.jsonl.settings.json"
    words = ("score", rows, "--metric", "accuracy", "--baseline", tmp_path / "base.json")
    made = {"task": "generation", "input": "x", "model_sha256": "a", "beams": 1}
    settings.write_text(json.dumps(made))
    assert llmctl(*words, "--update-baseline").code == 0
    settings.write_text(json.dumps({**made, "model_sha256": "b", "input": "y"}))
    assert llmctl(*words, "--max-drop", "accuracy=0").code == 0  # another model is what is judged
    settings.write_text(json.dumps({**made, "beams": 4}))
    outcome = llmctl(*words, "--max-drop", "accuracy=0")
    assert outcome.code == 4
    assert "decoded otherwise (beams:1 then, 4 now)" in outcome.err


def test_a_baseline_without_examples_is_code_4_where_chance_is_asked_about(
    scores: Callable[..., Outcome], base: Path
) -> None:
    content = json.loads(base.read_text())
    del content["rows"]
    content["examples"] = None
    base.write_text(json.dumps(content))
    words = ("--baseline", base, "--max-drop", "accuracy=0.5")
    assert scores(20, *words).code == 0
    outcome = scores(20, *words, "--significant", "0.05")
    assert outcome.code == 4
    assert "keeps no examples to pair with" in outcome.err


def test_examples_that_do_not_give_the_written_number_are_code_4(
    scores: Callable[..., Outcome], base: Path
) -> None:
    content = json.loads(base.read_text())
    content["metrics"]["accuracy"]["value"] = 0.8
    base.write_text(json.dumps(content))
    words = ("--baseline", base, "--max-drop", "accuracy=0.5", "--significant", "0.05")
    outcome = scores(20, *words)
    assert outcome.code == 4
    assert "one of them was changed" in outcome.err


def test_examples_of_another_form_are_code_65(scores: Callable[..., Outcome], base: Path) -> None:
    content = json.loads(base.read_text())
    content["rows"] = [{"said": 1} for _ in content["rows"]]
    base.write_text(json.dumps(content))
    words = ("--baseline", base, "--max-drop", "accuracy=0.5", "--significant", "0.05")
    assert scores(20, *words).code == 65


def test_a_failed_gate_outranks_one_that_cannot_be_decided(
    scores: Callable[..., Outcome], base: Path
) -> None:
    outcome = scores(
        20, "--option", "classification.positive=1", "--baseline", base, "--max-drop",
        "accuracy=0.5", "--gate", "accuracy>0.99",
    )  # fmt: skip
    assert outcome.code == 3


def test_a_missing_baseline_is_code_66_before_anything_is_read(
    scores: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = scores(20, "--baseline", tmp_path / "none.json", "--max-drop", "accuracy=1")
    assert outcome.code == 66
    assert "hint: --update-baseline" in outcome.err


def test_the_first_baseline_passes_and_is_written(
    scores: Callable[..., Outcome], tmp_path: Path
) -> None:
    words = ("--baseline", tmp_path / "new" / "base.json", "--max-drop", "accuracy=0")
    outcome = scores(20, *words, "--update-baseline")
    assert outcome.code == 0
    assert "new baseline" in outcome.err
    assert scores(21, *words).code == 3


def test_a_baseline_is_replaced_only_by_what_passed(
    scores: Callable[..., Outcome], base: Path
) -> None:
    before = base.read_text()
    words = ("--baseline", base, "--max-drop", "accuracy=0.01", "--update-baseline")
    assert scores(30, *words).code == 3
    assert base.read_text() == before
    assert scores(20, *words, "--gate", "accuracy>0.99").code == 3
    assert base.read_text() == before
    assert scores(10, *words).code == 0
    assert json.loads(base.read_text())["metrics"]["accuracy"]["value"] == 0.95
    assert [path.name for path in base.parent.glob(".tmp*")] == []


def test_a_first_result_that_fails_a_gate_becomes_no_baseline(
    scores: Callable[..., Outcome], tmp_path: Path
) -> None:
    words = ("--baseline", tmp_path / "b.json", "--update-baseline", "--gate", "accuracy>0.99")
    assert scores(20, *words).code == 3
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--max-drop", "accuracy=1"], "--max-drop needs a baseline"),
        (["--significant", "0.05"], "--max-drop accuracy=0 --significant 0.05"),
        (["--update-baseline"], "--baseline FILE.json"),
        (["--baseline", "BASE"], "--max-drop accuracy=0.5"),
        (["--baseline", "BASE", "--max-drop", "accuracy"], "cannot be read"),
        (["--baseline", "BASE", "--max-drop", "acuracy=1"], "did you mean 'accuracy'?"),
        (
            ["--baseline", "BASE", "--max-drop", "accuracy=1", "--significant", "5"],
            "--significant 0.05",
        ),
        (["--baseline", "BASE", "--max-drop", "accuracy=1", "-o", "FOLDER"], "is written anew"),
    ],
)
def test_words_that_do_not_go_together_are_usage_errors(
    scores: Callable[..., Outcome], base: Path, words: list[str], said: str
) -> None:
    names = {"BASE": str(base), "FOLDER": str(base.parent)}
    outcome = scores(20, *(names.get(word, word) for word in words))
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.out == ""


def test_the_perplexity_of_a_model_is_gated_on_paired_documents(
    llmctl: Llmctl, model_folder: Path, tmp_path: Path
) -> None:
    texts = fakes.make_documents(30, seed=3)
    rows = tmp_path / "text.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    words = ("eval", model_folder, "--data", rows, "--baseline", tmp_path / "base.json")
    assert llmctl(*words, "--update-baseline").code == 0
    gates = ("--max-drop", "perplexity=1%", "--max-drop", "bits_per_byte=0")
    outcome = llmctl(*words, *gates, "--significant", "0.05", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)["gates"]
    assert [(gate["drop"], gate["p"], gate["examples"]) for gate in found] == [(0.0, 1.0, 30)] * 2
    stored = json.loads((tmp_path / "base.json").read_text())
    for row in stored["rows"]:
        row["log_likelihood"] *= 0.9
    total = sum(row["log_likelihood"] for row in stored["rows"])
    scored = sum(row["tokens"] for row in stored["rows"])
    stored["metrics"]["loss"]["value"] = -total / scored
    (tmp_path / "base.json").write_text(json.dumps(stored))
    worse = llmctl(*words, "--max-drop", "loss=0", "--significant", "0.05")
    assert worse.code == 3
    assert "above the" in worse.err


def test_other_tokenizers_are_compared_by_bits_alone(
    llmctl: Llmctl, model_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(model_folder, tmp_path / "other"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:10]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    text = fakes.make_text_file(tmp_path / "text.txt", count=12, seed=3)
    for name, model in (("a", model_folder), ("b", other)):
        words = ("--data", text, "--text-unit", "paragraph", "-o", tmp_path / name, "-q")
        assert llmctl("eval", model, *words).code == 0
    outcome = llmctl("compare", tmp_path / "a", tmp_path / "b")
    assert outcome.code == 4
    assert "perplexity: signatures differ (tokenizer:" in outcome.err
    bits = ("--metric", "bits_per_byte", "--metric", "bits_per_character")
    assert f"hint: {' '.join(bits)} compares the others" in outcome.err
    found = json.loads(llmctl("compare", tmp_path / "a", tmp_path / "b", *bits, "--json").out)
    number = found["metrics"]["bits_per_byte"]
    assert number["difference"] != 0
    assert (number["examples"], number["p"] < 0.05) == (12, True)


def test_in_github_actions_failures_are_annotated(
    scores: Callable[..., Outcome], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    words = ("--baseline", base, "--max-drop", "accuracy=0")
    outcome = scores(30, *words)
    assert outcome.code == 3
    line = outcome.out.splitlines()[-1]
    assert line.startswith("::error title=score%3A accuracy drop <= 0::accuracy 0.85 is 0.05 below")
    assert "# score: failed" in (tmp_path / "summary.md").read_text()
    as_json = scores(30, *words, "--json")
    assert json.loads(as_json.out)["exit_code"] == 3
    assert "::error title=" in as_json.err
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert "::error" not in scores(30, *words).out
