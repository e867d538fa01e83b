"""`llmctl export`: one plain folder of a model, merged, of another type, checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_runs import CASES, finetune, write_recipe
from safetensors.torch import load_file

from llmctl import files
from llmctl.errors import EXIT_DONE, InputMissing, UsageError


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model is an adapter."""
    place = tmp_path_factory.mktemp("adapted")
    words = ("model.lora.rank=4", "optimizer.learning_rate=1e-2")
    finetune(write_recipe(place, CASES[0]), place / "run", *words)
    return place / "run"


def test_a_merged_adapter_is_a_plain_model_that_predicts_the_same(
    llmctl: Callable[..., Any], adapted: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    done = llmctl("export", adapted, "--merge", "-o", tmp_path / "plain", "--json")

    rows = adapted.parent / "classes-held-out.jsonl"
    assert done.code == EXIT_DONE, done.err
    said = json.loads(done.out)
    assert (said["merged"], said["dtype"], said["reload"]["ok"]) == (True, "float32", True)
    assert {path.name for path in (tmp_path / "plain").iterdir()} >= {
        "model.safetensors", "config.json", "tokenizer.json", "task.json", "README.md",
    }  # fmt: skip
    assert not (tmp_path / "plain" / "adapter_config.json").exists()
    card = (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")
    assert "library_name: transformers" in card
    assert "merged with the adapter" in card
    assert llmctl("predict", tmp_path / "plain", rows, "-o", tmp_path / "p.jsonl").code == EXIT_DONE
    measured = files.read_json_lines(adapted / "predictions-validation.jsonl")
    found = files.read_json_lines(tmp_path / "p.jsonl")
    assert [row["prediction"] for row in found] == [row["prediction"] for row in measured]
    for row, expected in zip(found, measured, strict=True):
        assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain")
    assert model.config.id2label == {0: "land", 1: "sea"}
    assert AutoTokenizer.from_pretrained(tmp_path / "plain")("the sea")["input_ids"]


def test_weights_are_written_in_the_type_asked_for(
    llmctl: Callable[..., Any], model_folder: Path, tmp_path: Path
) -> None:
    done = llmctl("export", model_folder, "--dtype", "bfloat16", "-o", tmp_path / "half")

    assert done.code == EXIT_DONE, done.err
    weights = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    before = load_file(model_folder / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    assert torch.equal(weights[name], before[name].bfloat16())
    assert "bfloat16" in (tmp_path / "half" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["MODEL", "--merge"], UsageError, "holds no adapter to merge"),
        (["ADAPTER"], UsageError, "is an adapter of"),
        (["MODEL", "--dtype", "int8"], UsageError, "float32, bfloat16, float16"),
        (["MODEL", "FULL"], UsageError, "is not empty"),
        (["./nowhere"], InputMissing, "does not exist"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    llmctl: Callable[..., Any], adapted: Path, model_folder: Path, tmp_path: Path,
    words: list[str], error: type[Exception], message: str,
) -> None:  # fmt: skip
    target = tmp_path / "out"
    if "FULL" in words:
        target.mkdir()
        (target / "mine.txt").write_text("x", encoding="utf-8")
    places = {"MODEL": model_folder, "ADAPTER": adapted}
    typed = [places.get(word, word) for word in words if word != "FULL"]

    refused = llmctl("export", *typed, "-o", target)

    assert refused.code == error.exit_code  # type: ignore[attr-defined]
    assert message in refused.err
    assert not target.exists() or [path.name for path in target.iterdir()] == ["mine.txt"]


def test_a_t5_is_not_written_in_float16(llmctl: Callable[..., Any], tmp_path: Path) -> None:
    from encoder_decoders import make_encoder_decoder

    make_encoder_decoder(tmp_path / "t5", "t5")

    refused = llmctl("export", tmp_path / "t5", "--dtype", "float16", "-o", tmp_path / "out")

    assert refused.code == UsageError.exit_code
    assert "--dtype bfloat16" in refused.err
