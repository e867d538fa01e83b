"""`llmctl doctor` finds what is wrong with a machine or a model folder, and says what to do."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome
from safetensors.torch import load_file, save_file

from llmctl.evaluation.reload import ReloadReport
from llmctl.pipelines import doctor, machine

Llmctl = Callable[..., Outcome]


def test_the_machine_is_examined(llmctl: Llmctl, tmp_path: Path) -> None:
    outcome = llmctl("doctor", "env", "--folder", tmp_path)
    assert outcome.code == 0, outcome.err
    for name in ("python", "torch", "threads", "memory", "disk", "locking", "matrix products"):
        assert f"  {name}" in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_the_machine_as_json(llmctl: Llmctl, tmp_path: Path) -> None:
    found = json.loads(llmctl("doctor", "env", "--folder", tmp_path, "--json").out)
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["transformers"]["verdict"] == "ok"
    assert "TFLOP/s in float32" in by_name["matrix products on cpu"]["found"]
    assert found["warnings"] == sum(f["verdict"] == "warn" for f in found["findings"])


def test_a_missing_folder_is_code_66(llmctl: Llmctl, tmp_path: Path) -> None:
    assert llmctl("doctor", "env", "--folder", tmp_path / "gone").code == 66


@pytest.mark.parametrize(
    ("required", "version", "verdict"),
    [
        ("torch<2.14,>=2.11", "2.13.0+cpu", "ok"),
        ("torch<2.14,>=2.11", "2.14.0", "warn"),
        ("torch<2.14,>=2.11", "2.10.1", "warn"),
        ("torch<2.14,>=2.11", None, "warn"),
        ("torch<2.14,>=2.11", "2.13.0.dev1", "ok"),
    ],
)
def test_packages_are_held_against_their_supported_range(
    required: str, version: str | None, verdict: str
) -> None:
    (finding,) = machine.judge_packages([required], lambda _: version)
    assert finding.verdict == verdict
    if verdict == "warn":
        assert finding.hint.startswith("pip install 'torch")


def test_packages_of_extras_are_not_asked_for() -> None:
    assert list(machine.judge_packages(["mlflow; extra == 'trackers'"], lambda _: None)) == []


@pytest.mark.parametrize(
    ("threads", "usable", "verdict"),
    [(2, 2, "ok"), (1, 2, "ok"), (8, 16, "ok"), (16, 4, "warn"), (1, 16, "warn")],
)
def test_threads_should_fit_the_processors(threads: int, usable: int, verdict: str) -> None:
    assert machine.judge_threads(threads, usable, usable, {}).verdict == verdict


def test_variables_are_named_without_their_values() -> None:
    (finding,) = machine.look_at_hub({"HF_TOKEN": "hf_secret", "HF_HOME": "/x", "PATH": "/bin"})
    assert finding.found == "HF_HOME, HF_TOKEN"


def test_a_folder_that_cannot_be_written_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(machine, "_try_folder", refuse)
    finding = list(machine.look_at_folder(tmp_path))[-1]
    assert finding.verdict == "warn"
    assert "-o FOLDER" in finding.hint


def test_warnings_come_with_advice() -> None:
    findings = [machine.judge("disk", "1 GiB", "make space"), machine.judge("memory", "9 GiB")]
    text = doctor.findings_text(findings)
    assert "warn  disk: make space" in text
    assert text.endswith("1 ok, 1 to look at")


@pytest.mark.processes
def test_a_sound_model_reloads(llmctl: Llmctl, model_folder: Path) -> None:
    outcome = llmctl("doctor", "reload", model_folder, "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report["ok"]
    assert report["tokenizer_ok"]
    assert report["max_difference"] <= report["tolerance"]


def test_a_model_that_reloads_otherwise_is_code_78(
    llmctl: Llmctl, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor, "check_reload",
        lambda folder, **_: ReloadReport(folder, False, "logits differ", 0.5, 1e-5, True),
    )  # fmt: skip
    outcome = llmctl("doctor", "reload", model_folder)
    assert outcome.code == 78
    assert "logits differ" in outcome.err
    assert outcome.out == ""


def test_a_model_with_missing_weights_is_code_78(
    llmctl: Llmctl, model_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.ln_f.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    outcome = llmctl("doctor", "reload", folder)
    assert outcome.code == 78
    assert "transformer.ln_f.bias" in outcome.err


def test_a_missing_model_is_code_66(llmctl: Llmctl, tmp_path: Path) -> None:
    assert llmctl("doctor", "reload", tmp_path / "gone").code == 66
