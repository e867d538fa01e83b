"""JUnit XML, which every CI server shows: one test case for each gate.

Valid against the schema of the Jenkins xUnit plugin (junit-10.xsd). A failed gate is a `failure`,
an undecided one an `error`; an evaluation without gates is one test case.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree  # only writes here, reads nothing

from llmctl.evaluation.results import EvaluationResult
from llmctl.evaluation.tables import signatures_of

# What XML 1.0 cannot hold even when escaped.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(result: EvaluationResult) -> str:
    """The report as text, with its XML declaration."""
    cases = _cases(result)
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    seconds = f"{result.seconds:.3f}"
    root = ElementTree.Element("testsuites", {"name": "llmctl", "time": seconds, **counts})
    suite = ElementTree.SubElement(
        root, "testsuite",
        {
            "name": f"llmctl {result.title}", **counts, "skipped": "0", "time": seconds,
            "timestamp": result.created.split("+")[0].split(".")[0],
        },
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(result).items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": _legal(value)})
    suite.extend(cases)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _cases(result: EvaluationResult) -> list[ElementTree.Element]:
    classname = ".".join(["llmctl", *result.title.split()])
    cases = []
    for held in result.gates:
        case = ElementTree.Element(
            "testcase",
            {"name": _legal(str(held.gate)), "classname": classname, "time": "0"},
        )
        if held.verdict != "passed":
            _add_problem(case, held.verdict == "failed", "gate", held.detail, result.signature)
        cases.append(case)
    has_error = any(case.find("error") is not None for case in cases)
    if not cases or (result.outcome.undecided and not has_error):
        cases.append(_whole_evaluation(result, classname))
    return cases


def _whole_evaluation(result: EvaluationResult, classname: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        {"name": result.task, "classname": classname, "time": f"{result.seconds:.3f}"},
    )
    if result.outcome.undecided:
        _add_problem(case, False, "evaluation", result.outcome.undecided, result.signature)
    return case


def _add_problem(
    case: ElementTree.Element, failed: bool, kind: str, message: str, details: str
) -> None:
    tag = "failure" if failed else "error"
    problem = ElementTree.SubElement(case, tag, {"type": kind, "message": _legal(message)})
    problem.text = _legal(details)


def _properties(result: EvaluationResult) -> dict[str, str]:
    """Every number at full precision, and what they were measured on."""
    metrics = {
        metric.name: "null" if metric.value is None else repr(metric.value)
        for metric in result.outcome.metrics
    }
    return {
        **metrics,
        "signature": "\n".join(signatures_of(result)),
        "model": str(result.outcome.model.get("path", "")),
        "data": ", ".join(map(str, result.outcome.data.get("sources", []))),
    }


def _legal(text: str) -> str:
    r"""Text that XML can hold: the rest is shown as escapes.

    >>> _legal("a\x1bb")
    'a\\x1bb'
    """
    return _ILLEGAL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
