"""Reports agree with the verdict, hold any text, and are valid for the programs that read them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llmctl.evaluation.gates import Gate, hold_gates
from llmctl.evaluation.junit import junit_xml
from llmctl.evaluation.outcome import Metric, Outcome, Yardstick
from llmctl.evaluation.reports import markdown, remove_reports, table_text, write_reports
from llmctl.evaluation.results import EvaluationResult, environment


def result(
    *gates: Gate, perplexity: float | None = 40.0004, undecided: str | None = None,
    path: str = "runs/a",
) -> EvaluationResult:  # fmt: skip
    outcome = Outcome(
        metrics=[
            Metric("perplexity", perplexity, "", False, None if perplexity else "2 tokens are NaN"),
            Metric("tokens_scored", 120),
        ],
        signature={"window": "rolling", "context": 0},
        yardsticks=[Yardstick("uniform", "perplexity", 384.0, "all equally likely")],
        notes=["a | b"],
        undecided=undecided,
        model={"path": path, "architecture": "GPT2LMHeadModel", "parameters": 1000},
        data={"sources": ["诗.txt"], "sha256": "ab" * 32},
    )
    return EvaluationResult(
        task="perplexity", outcome=outcome, gates=hold_gates(gates, outcome),
        settings={"window": "rolling"}, created="2026-11-22T10:00:00.5+00:00", seconds=1.25,
        environment={"python": "3.11"},
    )  # fmt: skip


FAILS, PASSES = Gate("perplexity", "<=", 40), Gate("perplexity", "<", 50)


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        (result(), "passed", 0),
        (result(PASSES), "passed", 0),
        (result(PASSES, FAILS), "failed", 3),
        (result(PASSES, perplexity=None), "undecided", 4),
        (result(undecided="2 tokens are NaN"), "undecided", 4),
        (result(PASSES, undecided="2 tokens are NaN"), "undecided", 4),
    ],
)
def test_verdict_and_exit_code_agree(found: EvaluationResult, verdict: str, code: int) -> None:
    assert (found.verdict, found.exit_code) == (verdict, code)
    assert found.as_json()["verdict"] == verdict
    assert found.as_json()["exit_code"] == code


def test_results_are_json_with_null_for_what_is_not_there(tmp_path: Path) -> None:
    write_reports(result(PASSES, perplexity=None), tmp_path)
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert (read["schema"], read["command"], read["examples"]) == (2, "eval", None)
    assert read["metrics"]["perplexity"] == {
        "value": None, "unit": "", "higher_is_better": False, "null_reason": "2 tokens are NaN",
        "interval": None, "range": [None, None], "n": None, "signature": None,
    }  # fmt: skip
    assert read["gates"][0]["verdict"] == "undecided"
    assert read["signature"] == "perplexity|window:rolling|context:0"
    assert "诗.txt" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "junit.xml", "report.md", "results.csv", "results.json",
    ]  # fmt: skip


def test_results_hold_values_at_full_precision() -> None:
    assert result(FAILS).as_json()["gates"][0]["value"] == 40.0004


@pytest.mark.parametrize("show", [table_text, markdown])
def test_the_number_shown_does_not_contradict_the_verdict(show: object) -> None:
    text = show(result(FAILS))  # type: ignore[operator]
    assert "failed" in text
    assert "40.0004" in text


def test_earlier_reports_are_removed_and_nothing_else(tmp_path: Path) -> None:
    write_reports(result(), tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    remove_reports(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_bars_in_text_do_not_break_the_markdown_table() -> None:
    page = markdown(result(path="a|b\nc"))
    assert "\n- model: a|b c (" in page
    assert "| perplexity | 40 |" in page


def suite_of(found: EvaluationResult) -> ElementTree.Element:
    """The test suite, after checking what the Jenkins schema (junit-10.xsd) asks for."""
    root = ElementTree.fromstring(junit_xml(found))
    assert root.tag == "testsuites"
    (suite,) = root
    assert {"name", "tests", "failures", "errors"} <= set(suite.attrib)
    assert set(suite.attrib) <= {
        "name", "tests", "failures", "errors", "skipped", "time", "timestamp",
    }  # fmt: skip
    assert next(iter(suite)).tag == "properties"
    for prop in suite.find("properties"):  # type: ignore[union-attr]
        assert set(prop.attrib) == {"name", "value"}
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests", ""))
    for case in cases:
        assert set(case.attrib) == {"name", "classname", "time"}
        assert {child.tag for child in case} <= {"failure", "error"}
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures", ""))
    assert len(suite.findall("testcase/error")) == int(suite.get("errors", ""))
    return suite


def test_junit_has_a_case_for_each_gate() -> None:
    suite = suite_of(result(PASSES, FAILS, Gate("nosuch", ">", 1)))
    assert [case.get("name") for case in suite.findall("testcase")] == [
        "perplexity < 50", "perplexity <= 40", "nosuch > 1",
    ]  # fmt: skip
    assert [len(case) for case in suite.findall("testcase")] == [0, 1, 1]
    assert suite.find("testcase/failure").get("message") == "perplexity 40.0004 is not <= 40"  # type: ignore[union-attr]
    assert suite.get("timestamp") == "2026-11-22T10:00:00"
    assert suite.get("time") == "1.250"


def test_junit_without_gates_has_one_case() -> None:
    suite = suite_of(result())
    assert [case.get("name") for case in suite.findall("testcase")] == ["perplexity"]


def test_junit_shows_an_evaluation_without_a_verdict_as_an_error() -> None:
    suite = suite_of(result(Gate("tokens_scored", ">", 1), undecided="2 tokens are NaN"))
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")
    assert suite.find("testcase/error").get("message") == "2 tokens are NaN"  # type: ignore[union-attr]


def test_junit_holds_any_text() -> None:
    suite = suite_of(result(path="a\x1b[31m<&>\"'\x00\ufffe\ud800诗"))
    values = {prop.get("name"): prop.get("value") for prop in suite.iter("property")}
    assert values["model"] == "a\\x1b[31m<&>\"'\\x00\\xfffe\\xd800诗"
    assert values["perplexity"] == "40.0004"


def test_the_environment_names_what_numbers_depend_on() -> None:
    assert {"python", "llmctl", "torch", "transformers"} <= set(environment())
