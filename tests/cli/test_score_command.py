"""`llmctl score`: saved predictions in, numbers, reports and exit codes out, without a model."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome
from sacrebleu.metrics.bleu import BLEU

Llmctl = Callable[..., Outcome]

SAID = ["the cat sat on the mat", "a dog barks at night", "birds sing in the old tree today"]
TRUE = ["the cat sat on a mat", "the dog barks at night", "birds sing in an old tree today"]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    pairs = zip(SAID, TRUE, strict=True)
    return write_rows(
        tmp_path / "preds.jsonl", [{"prediction": p, "reference": r} for p, r in pairs]
    )


def values(outcome: Outcome) -> dict[str, float | None]:
    assert outcome.code == 0, outcome.err
    return {name: one["value"] for name, one in json.loads(outcome.out)["metrics"].items()}


def test_rows_are_scored_as_the_reference_implementation_scores_them(
    llmctl: Llmctl, rows: Path
) -> None:
    found = values(llmctl("score", rows, "--metric", "bleu", "--json"))
    assert found == {"bleu": pytest.approx(BLEU().corpus_score(SAID, [TRUE]).score, abs=1e-9)}


def test_lines_with_several_references_are_scored_as_rows_with_lists(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    other = ["the cat was on the mat", "", "birds sang in the old tree today"]
    said = write_lines(tmp_path / "said.txt", SAID)
    first, second = (
        write_lines(tmp_path / name, lines) for name, lines in (("a.de", TRUE), ("b.de", other))
    )
    found = values(
        llmctl(
            "score", said, "--references", first, "--references", second, "--metric", "bleu",
            "--json",
        )
    )  # fmt: skip
    expected = BLEU().corpus_score(SAID, [TRUE, [line or None for line in other]]).score
    assert found["bleu"] == pytest.approx(expected, abs=1e-9)


def test_the_language_goes_to_the_metrics_that_ask_for_one(llmctl: Llmctl, tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "zh.jsonl", [{"prediction": "他在家。", "reference": "他在家里。"}]
    )
    outcome = llmctl(
        "score", path, "--metric", "bleu", "--metric", "rouge_1", "--language", "zh", "--json"
    )
    metrics = json.loads(outcome.out)["metrics"]
    assert "|tok:zh|" in metrics["bleu"]["signature"]
    assert "|tok:word+cjk-character|" in metrics["rouge_1"]["signature"]
    assert "rouge_2" not in metrics


@pytest.mark.parametrize(
    ("metric", "said", "true", "number", "expected"),
    [
        ("accuracy", ["a", "b", "b", "a"], ["a", "b", "a", "a"], "accuracy", 0.75),
        ("pearson", ["1", "2", "3"], ["2", "4", "6"], "pearson", 1.0),
        ("seqeval_f1", ["B-PER O", "O O"], ["B-PER O", "O B-LOC"], "seqeval_f1", 2 / 3),
        ("subset_accuracy", ["joy, love", ""], ["love,joy", "joy"], "subset_accuracy", 0.5),
        ("squad_em", ["the Rome", "Paris"], ["Rome", "Oslo"], "squad_em", 50.0),
        ("roc_auc", ["0.1", "0.4", "0.35", "0.8"], ["0", "0", "1", "1"], "roc_auc", 0.75),
    ],
)  # fmt: skip
def test_a_line_is_what_the_metric_takes(
    llmctl: Llmctl, tmp_path: Path, metric: str, said: list[str], true: list[str], number: str,
    expected: float,
) -> None:  # fmt: skip
    one, other = write_lines(tmp_path / "said", said), write_lines(tmp_path / "true", true)
    found = values(llmctl("score", one, "--references", other, "--metric", metric, "--json"))
    assert found == {number: pytest.approx(expected, abs=1e-12)}


def test_rows_hold_labels_tags_and_answers_as_json(llmctl: Llmctl, tmp_path: Path) -> None:
    rows = [
        {"prediction": ["B-PER", "O"], "tags": ["B-PER", "O"], "id": 1},
        {"prediction": ["O"], "tags": ["B-LOC"], "id": 2},
    ]
    path = write_rows(tmp_path / "ner.jsonl", rows)
    words = ("score", path, "--metric", "seqeval", "--json")
    missing = llmctl(*words)
    assert missing.code == 66
    assert "hint: --reference-column tags" in missing.err
    assert values(llmctl(*words, "--reference-column", "tags"))["seqeval_recall"] == 0.5
    answers = [{"prediction": "Rome", "answers": {"text": ["Rome", "in Rome"]}}]
    path = write_rows(tmp_path / "qa.jsonl", answers)
    found = llmctl("score", path, "--metric", "squad", "--reference-column", "answers", "--json")
    assert values(found)["squad_em"] == 100.0
    nested = llmctl(
        "score", path, "--metric", "squad", "--reference-column", "answers.text", "--json"
    )
    assert values(nested)["squad_em"] == 100.0


def test_a_label_may_stand_in_a_list_of_one(llmctl: Llmctl, tmp_path: Path) -> None:
    rows = [{"prediction": "a", "references": ["a"]}, {"prediction": "b", "references": ["a"]}]
    path = write_rows(tmp_path / "p.jsonl", rows)
    assert values(llmctl("score", path, "--metric", "accuracy", "--json")) == {"accuracy": 0.5}


def test_probabilities_of_a_prediction_are_taken_where_the_metric_asks(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    rows = [
        {"prediction": "a", "probabilities": {"a": 0.9, "b": 0.1}, "reference": "a"},
        {"prediction": "a", "probabilities": {"a": 0.6, "b": 0.4}, "reference": "b"},
    ]
    path = write_rows(tmp_path / "p.jsonl", rows)
    found = values(
        llmctl("score", path, "--metric", "accuracy", "--metric", "roc_auc", "--json")
    )  # fmt: skip
    assert found == {"accuracy": 0.5, "roc_auc": 1.0}


def test_a_metric_without_references_needs_none(llmctl: Llmctl, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "said.txt", ["a b a b a b a b", "c d e f g"])
    assert values(llmctl("score", path, "--metric", "repetition", "--json"))["repetition"] > 0
    outcome = llmctl("score", path, "--metric", "bleu")
    assert outcome.code == 66
    assert "--references FILE" in outcome.err


def test_options_reach_their_metric_and_are_in_its_signature(llmctl: Llmctl, rows: Path) -> None:
    outcome = llmctl(
        "score", rows, "--metric", "bleu", "--option", "bleu.lowercase=true", "--json"
    )  # fmt: skip
    assert "|case:lc|" in json.loads(outcome.out)["metrics"]["bleu"]["signature"]


def test_gates_name_the_metrics_where_nothing_else_does(llmctl: Llmctl, rows: Path) -> None:
    outcome = llmctl("score", rows, "--gate", "rouge_l >= 10", "--json")
    assert list(values(outcome)) == ["rouge_l"]


def test_an_evaluate_module_is_scored_by_its_path(llmctl: Llmctl, rows: Path) -> None:
    code = (
        "import datasets\nimport evaluate\n\n\nclass LengthRatio(evaluate.Metric):\n"
        "    def _info(self):\n"
        "        features = datasets.Features({'predictions': datasets.Value('string'),"
        " 'references': datasets.Value('string')})\n"
        "        return evaluate.MetricInfo(description='', citation='', features=features)\n\n"
        "    def _compute(self, predictions, references):\n"
        "        return {'ratio': sum(map(len, predictions)) / sum(map(len, references))}\n"
    )
    module = rows.parent / "length_ratio.py"
    module.write_text(code)
    words = ("score", rows, "--metric", module, "--json")
    expected = len("".join(SAID)) / len("".join(TRUE))
    assert values(llmctl(*words)) == {"ratio": pytest.approx(expected)}
    option = ("--option", "length_ratio.numbers=[ratio]", "--gate", "ratio<0.5")
    assert llmctl(*words, *option).code == 3


def test_reports_are_written_and_agree(llmctl: Llmctl, rows: Path, tmp_path: Path) -> None:
    outcome = llmctl(
        "score", rows, "--metric", "bleu", "--metric", "accuracy", "--gate", "bleu>=10",
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    written = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert json.loads(outcome.out) == written
    bleu = written["metrics"]["bleu"]
    assert written["command"] == "score"
    assert (bleu["n"], bleu["range"], bleu["unit"]) == (3, [0.0, 100.0], "0-100")
    assert bleu["interval"][0] <= bleu["value"] <= bleu["interval"][1]
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as stream:
        table = {row["metric"]: row for row in csv.DictReader(stream)}
    assert float(table["bleu"]["value"]) == bleu["value"]
    assert table["bleu"]["signature"] == bleu["signature"]
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert page.startswith("# score: passed\n")
    assert f"- predictions: {rows}" in page
    assert "None" not in page.split("## Made with")[0]
    assert 'name="llmctl score"' in (tmp_path / "out" / "junit.xml").read_text("utf-8")


def test_every_example_keeps_its_own_scores(llmctl: Llmctl, rows: Path, tmp_path: Path) -> None:
    words = ("--metric", "rouge_l", "--metric", "exact_match", "-o", tmp_path / "out")
    assert llmctl("score", rows, *words).code == 0
    lines = (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()
    kept = [json.loads(line) for line in lines]
    assert [row["prediction"] for row in kept] == SAID
    assert [row["references"] for row in kept] == TRUE
    # 5 of 6 words in order on both sides; no text is equal to its reference.
    assert kept[0]["scores"] == {"rouge_l": 83.333333, "exact_match": 0.0}
    written = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["metrics"]
    mean = sum(row["scores"]["rouge_l"] for row in kept) / 3
    assert written["rouge_l"]["value"] == pytest.approx(mean, abs=1e-5)  # scores have 6 digits


def test_a_table_for_people_names_what_the_numbers_depend_on(llmctl: Llmctl, rows: Path) -> None:
    outcome = llmctl("score", rows, "--metric", "bleu", "--gate", "bleu>=10", "--quiet")
    assert outcome.code == 0
    assert outcome.err == ""
    first, *_ = outcome.out.splitlines()
    assert first.split() == ["metric", "value", "95", "%", "interval", "unit"]
    assert "\n  bleu|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_a_number_that_does_not_exist_is_null_with_its_reason_and_passes_no_gate(
    llmctl: Llmctl, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "n.jsonl", [{"prediction": 1.0, "reference": n} for n in range(5)])
    words = ("score", path, "--metric", "pearson", "--gate", "pearson>=-1")
    outcome = llmctl(*words)
    assert outcome.code == 4
    assert "predictions or references are all equal" in outcome.err
    assert "note: no value for pearson: predictions or references are all equal" in outcome.out
    assert llmctl("score", path, "--metric", "pearson").code == 0


def test_scoring_loads_no_model_library() -> None:
    script = (
        "import sys, json, pathlib, tempfile\n"
        "from llmctl.cli.main import run\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "path = folder / 'p.jsonl'\n"
        'path.write_text(\'{"prediction": "a b c d", "reference": "a b c e"}\\n\' * 9)\n'
        "words = ['score', str(path), '-o', str(folder / 'out'), '--baseline', "
        "str(folder / 'b.json'), '--metric', 'bleu', '--metric', 'chrf', '--metric', 'rouge', "
        "'--metric', 'exact_match', '--max-drop', 'bleu=1', '--significant', '0.1']\n"
        "assert run([*words, '--update-baseline']) == 0\n"
        "assert run(words) == 0\n"
        "assert run(['compare', str(folder / 'out'), str(folder / 'b.json')]) == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'accelerate', 'tokenizers'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
