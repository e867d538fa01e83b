"""Metrics behind the library `evaluate`: ours load by path with no network, and so do a user's."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmctl.errors import DataError, InputMissing, UsageError
from llmctl.metrics import METRICS
from llmctl.metrics.bootstrap import interval
from llmctl.metrics.hf_module_path import hf_module_path
from llmctl.metrics.hf_user_module import UserModuleSettings, is_user_module, user_module

TEXT = [name for name in METRICS if METRICS.get(name).kind == "text"]
PREDICTIONS = ["the cat sat on the mat today", "a dog"]
REFERENCES = [["the cat sat on a mat today", "cats"], ["a dog"]]

USER_MODULE = """
import datasets
import evaluate
from .beside import HALF

class Share(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": REFERENCES})
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=features
        )

    def _compute(self, predictions, references, factor=1.0):
        right = sum(p in r for p, r in zip(predictions, references))
        return {"share": factor * right / len(predictions), "half": HALF, "list": [1, 2]}
"""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: Any, **_options: Any) -> None:
        raise AssertionError(f"the network was asked for {words}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A user's module in a folder of its own, with a file that it imports."""
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "beside.py").write_text("HALF = 0.5\n")
    (folder / "share.py").write_text(USER_MODULE.replace("REFERENCES", "[text]"))
    return folder


def test_every_text_metric_has_a_module_of_its_name() -> None:
    assert all((hf_module_path(name) / f"{name}.py").is_file() for name in TEXT)
    with pytest.raises(UsageError, match="no evaluate module is called 'blue'") as caught:
        hf_module_path("blue")
    assert caught.value.hint == "did you mean 'bleu'?"


@pytest.mark.slow
def test_evaluate_loads_every_module_and_gives_the_same_plain_floats(
    load_by_path: Callable[[Path], Any], no_network: None
) -> None:
    """One test for all of them: importing `evaluate` takes longer than everything else here."""
    for name in TEXT:
        entry = METRICS.get(name)
        inputs = {"predictions": PREDICTIONS}
        if entry.needs_references:
            inputs["references"] = REFERENCES

        module = load_by_path(hf_module_path(name))
        found = module.compute(**inputs)

        assert found == entry.measure(PREDICTIONS, REFERENCES, entry.settings()).values()
        assert {type(value) for value in found.values()} == {float}

    rouge = load_by_path(hf_module_path("rouge"))
    one_each = rouge.compute(
        predictions=["模型很好"], references=["模型好"], multi_reference="mean"
    )
    assert one_each["rouge_l"] == pytest.approx(600 / 7)
    repetition = load_by_path(hf_module_path("repetition"))
    assert np.isnan(repetition.compute(predictions=["short"])["repetition"])


@pytest.mark.slow
def test_a_users_module_is_run_by_its_path(share: Path, no_network: None) -> None:
    settings = UserModuleSettings(options={"factor": 0.5})

    for name in (str(share), f"hf:{share}", str(share / "share.py")):
        measured = user_module(name).measure(PREDICTIONS, REFERENCES, settings)
        assert measured.values() == {"share": 0.25, "half": 0.5}

    assert measured.of(np.array([1])).tolist() == [0.5, 0.5]
    assert interval(measured) == {"share": None, "half": None}
    assert measured.signature["options"] == "factor=0.5"
    assert "evaluate" in sys.modules


@pytest.mark.slow
def test_a_users_numbers_may_be_named_before_it_runs(share: Path) -> None:
    entry = user_module(str(share))
    named = UserModuleSettings(numbers=["share"])

    assert [number.name for number in entry.numbers(named)] == ["share"]
    assert entry.numbers(UserModuleSettings()) == ()
    assert entry.measure(PREDICTIONS, REFERENCES, named).values() == {"share": 0.5}
    with pytest.raises(UsageError, match="gives no f1; it gives share, half"):
        entry.measure(PREDICTIONS, REFERENCES, UserModuleSettings(numbers=["f1"]))


@pytest.mark.slow
def test_a_module_of_one_reference_is_not_given_several(share: Path) -> None:
    file = share / "share.py"
    file.write_text(USER_MODULE.replace("REFERENCES", "text"))
    entry = user_module(str(file))

    measured = entry.measure(["a", "b"], [["a"], "c"], UserModuleSettings())

    assert measured.values()["share"] == 0.5
    with pytest.raises(DataError, match="one has 2"):
        entry.measure(["a", "b"], [["a", "x"], ["b"]], UserModuleSettings())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [("import no_such_package\n", "cannot be imported"), ("x = 1\n", "holds no class")],
)
def test_a_file_that_is_no_module_is_refused(tmp_path: Path, code: str, said: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(code)

    with pytest.raises(UsageError, match=said):
        user_module(str(file)).measure(["a"], ["a"], UserModuleSettings())


def test_a_module_that_is_not_there_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    for name in ("hf:accuracy", str(tmp_path), "metric.py"):
        with pytest.raises(InputMissing, match="there is no evaluate module"):
            user_module(name)


def test_paths_are_told_from_names() -> None:
    assert all(map(is_user_module, ("hf:x", "x.py", "./x", "hf:x/y.py")))
    assert not any(map(is_user_module, ("bleu", "rouge_l", "exact_match")))
