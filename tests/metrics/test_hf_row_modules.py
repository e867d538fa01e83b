"""Metrics of labels, tags and answers behind the library `evaluate`, loaded by path."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmctl.metrics import METRICS
from llmctl.metrics.hf_module_path import hf_module_path

ROWS: dict[str, tuple[list[Any], list[Any]]] = {
    "classification": ([1, 0, 1], [1, 1, 1]),
    "multi_label": ([["a"], []], [["a", "b"], ["b"]]),
    "correlation": ([0.1, 0.25, 0.3], [1, 3, 2]),
    "auc": ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]),
    "calibration": ([{"a": 0.9, "b": 0.1}, {"a": 0.3, "b": 0.7}], ["a", "a"]),
    "seqeval": ([["B-PER", "O"], ["I-LOC"]], [["B-PER", "O"], ["B-LOC"]]),
    "tags": ([["NOUN", "VERB"], ["ADV"]], [["NOUN", "NOUN"], ["ADV"]]),
    "squad": (["the Rome", "x"], [["Rome"], ["y", "x y"]]),
    "cmrc": (["北京大学。", "在1998年"], [["北京大学"], ["1998年"]]),
}


@pytest.mark.slow
def test_evaluate_loads_every_module_and_gives_the_same_plain_floats(
    load_by_path: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test for all of them: importing `evaluate` takes longer than everything else here."""

    def refuse(*words: Any, **_options: Any) -> None:
        raise AssertionError(f"the network was asked for {words}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    modules = {name: load_by_path(hf_module_path(name)) for name in ROWS}

    for name, (predictions, references) in ROWS.items():
        found = modules[name].compute(predictions=predictions, references=references)

        entry = METRICS.get(name)
        expected = entry.measure(predictions, references, entry.settings()).values()
        assert {type(value) for value in found.values()} == {float}
        assert {k: None if np.isnan(v) else v for k, v in found.items()} == expected

    labels = modules["classification"]
    labels.add(prediction="b", reference="b")
    labels.add_batch(predictions=["a", "b"], references=["a", "a"])
    assert labels.compute(positive="b")["f1"] == pytest.approx(2 / 3)
    arrays = labels.compute(predictions=np.array([0, 1]), references=np.array([1, 1]))
    assert arrays["accuracy"] == 0.5
    unanswered = modules["squad"].compute(predictions=[""], references=[[]], version="v2")
    assert unanswered["squad_f1"] == 100.0


def test_every_metric_of_rows_has_a_module_of_its_name() -> None:
    kinds = {name: METRICS.get(name).kind for name in METRICS}

    assert set(ROWS) == {name for name, kind in kinds.items() if kind != "text"}
    assert all((hf_module_path(name) / f"{name}.py").is_file() for name in ROWS)


@pytest.mark.parametrize("name", list(ROWS))
def test_a_metric_gives_the_numbers_that_it_promised(name: str) -> None:
    entry = METRICS.get(name)
    measured = entry.measure(*ROWS[name], entry.settings())

    assert measured.numbers == entry.numbers(entry.settings())
    assert len(measured.statistics) == len(ROWS[name][0])
    assert measured.signature["version"]


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("classification", "accuracy"),
        ("multi_label", "subset_accuracy"),
        ("squad", "squad_em"),
        ("cmrc", "cmrc_em"),
    ],
)
def test_a_rate_is_the_mean_of_what_is_right(name: str, rate: str) -> None:
    entry = METRICS.get(name)
    measured = entry.measure(*ROWS[name], entry.settings())
    scale = next(number.high for number in measured.numbers if number.name == rate)

    assert set(measured.rates[rate].tolist()) <= {0.0, 1.0}
    assert measured.values()[rate] == pytest.approx(scale * measured.rates[rate].mean())


def test_scoring_rows_loads_no_heavy_library() -> None:
    script = (
        "import sys\n"
        "from llmctl.metrics import METRICS\n"
        f"for name, rows in {ROWS!r}.items():\n"
        "    METRICS.get(name).measure(*rows, METRICS.get(name).settings()).values()\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'nltk', 'sklearn', 'scipy'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
