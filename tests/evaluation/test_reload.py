"""A saved folder is compared with memory by a process that knows only transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from llmctl.evaluation.reload import _difference, _problems, check_reload

GOOD = {"missing": [], "unexpected": [], "foreign": False}


@pytest.mark.processes
def test_a_sound_folder_gives_the_same_logits_and_ids(model_folder: Path) -> None:
    report = check_reload(model_folder)
    assert report.ok, report.message
    assert report.tokenizer_ok
    assert report.max_difference is not None
    assert report.max_difference <= 1e-5


@pytest.mark.processes
def test_a_folder_that_is_not_what_was_in_memory_is_found_out(model_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.weight.mul_(2)
    report = check_reload(model_folder, model=model)
    assert not report.ok
    assert "logits differ" in report.message
    assert report.as_json()["ok"] is False


@pytest.mark.processes
def test_a_folder_that_does_not_load_is_reported(tmp_path: Path, model_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    broken = Path(shutil.copytree(model_folder, tmp_path / "model"))
    (broken / "model.safetensors").write_bytes(b"nonsense")
    report = check_reload(broken, model=model)
    assert not report.ok
    assert "cannot load it" in report.message


def test_the_difference_is_a_share_of_the_largest_logit() -> None:
    here = np.array([[1.0, -4.0]], dtype=np.float32)
    assert _difference(here, here + np.float32(0.5)) == pytest.approx(0.125)


@pytest.mark.parametrize("fresh", [np.array([[1.0, np.nan]]), np.zeros((1, 3))])
def test_nan_and_other_shapes_are_infinitely_different(fresh: np.ndarray) -> None:
    here = np.array([[1.0, -4.0]], dtype=np.float32)
    assert _difference(here, fresh.astype(np.float32)) == float("inf")


@pytest.mark.parametrize(
    ("answer", "difference", "tokenizer_ok", "expected"),
    [
        (GOOD, 1e-6, True, None),
        (GOOD, 1e-6, None, None),
        (GOOD, 1e-4, True, "logits differ"),
        (GOOD, float("nan"), True, "logits differ"),
        (GOOD, 0.0, False, "other ids"),
        ({**GOOD, "missing": ["a.weight"]}, 0.0, True, "1 weights are missing"),
        ({**GOOD, "unexpected": ["a.weight"]}, 0.0, True, "1 weights are unexpected"),
        ({**GOOD, "foreign": True}, 0.0, True, "imported llmctl"),
    ],
)
def test_every_kind_of_problem_is_named(
    answer: dict[str, object], difference: float, tokenizer_ok: bool | None, expected: str | None
) -> None:
    problems = _problems(answer, difference, 1e-5, tokenizer_ok)
    assert problems == [] if expected is None else expected in problems[0]
