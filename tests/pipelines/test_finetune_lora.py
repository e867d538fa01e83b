"""Finetuning by LoRA: the loop, its checkpoints and its folder are those of any finetuning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_runs import CASES, TaskCase, finetune, losses, write_recipe
from safetensors.torch import load_file, save_file

from llmctl import files
from llmctl.errors import EXIT_DONE, SettingsMismatch, UsageError

EVERY = pytest.mark.parametrize("case", CASES, ids=str)
CLASSES = CASES[0]
LORA = ("model.lora.rank=4", "optimizer.learning_rate=1e-2")


@pytest.fixture
def straight(tmp_path_factory: pytest.TempPathFactory, case: TaskCase) -> Path:
    return _straight(tmp_path_factory.getbasetemp() / "straight-lora", case)


def _straight(place: Path, case: TaskCase) -> Path:
    """The run folder of a case trained in one go; one is reloaded by peft in a fresh process."""
    folder = place / f"{case}"
    if not (folder / "results.json").exists():
        finetune(write_recipe(place / "recipes", case, reload=case is CLASSES), folder, *LORA)
    return folder


@EVERY
def test_predictions_of_the_merged_model_are_those_of_training(
    llmctl: Callable[..., Any], straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    rows = straight.parent / "recipes" / f"{case}-held-out.jsonl"
    measured = files.read_json_lines(straight / "predictions-validation.jsonl")

    done = llmctl("predict", straight, rows, "-o", tmp_path / "out.jsonl", "--batch-size", 1)

    found = files.read_json_lines(tmp_path / "out.jsonl")
    assert losses(straight)[5] < losses(straight)[0]
    assert done.code == EXIT_DONE, done.err
    assert [row["prediction"] for row in found] == [
        pytest.approx(row["prediction"], abs=1e-4) if case.name == "numbers" else row["prediction"]
        for row in measured
    ]
    assert sorted(path.name for path in (straight / "model").glob("*.safetensors")) == [
        "adapter_model.safetensors"
    ]


@pytest.mark.parametrize("case", CASES[:1], ids=str)
def test_a_resumed_run_equals_an_uninterrupted_one(
    straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    """Three steps and three more are six steps, bit for bit; dropout of the adapter included."""
    recipe = write_recipe(straight.parent / "recipes", case)
    words = (*LORA, "model.lora.dropout=0.2")

    finetune(recipe, tmp_path / "whole", *words)
    finetune(recipe, tmp_path / "run", *words, "budget.steps=3")
    finetune(recipe, tmp_path / "run", *words)

    weights = load_file(tmp_path / "whole" / "last" / "adapter_model.safetensors")
    again = load_file(tmp_path / "run" / "last" / "adapter_model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    assert losses(tmp_path / "run") != losses(straight)


@pytest.mark.parametrize("case", CASES[:1], ids=str)
def test_micro_batches_of_any_size_give_the_same_losses(
    straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    """With activations that are computed again on the way back, too."""
    recipe = write_recipe(straight.parent / "recipes", case)
    words = ("batch.micro_batch_size=3", "compute.gradient_checkpointing=true")

    finetune(recipe, tmp_path / "run", *LORA, *words)

    assert losses(tmp_path / "run")[:3] == pytest.approx(losses(straight)[:3], rel=1e-5)
    assert losses(tmp_path / "run") == pytest.approx(losses(straight), rel=1e-4)


@pytest.mark.parametrize("case", CASES[:1], ids=str)
def test_checkpoints_hold_only_what_is_trained(straight: Path, case: TaskCase) -> None:
    """Sizes by hand: of each block six layers, of 16 to 16 (four), 16 to 32 and 32 to 16; the head
    is the pooler, 16 x 17, and two labels, 2 x 17."""
    matrices = 2 * 4 * (4 * (16 + 16) + 2 * (16 + 32))
    last = straight / "last"

    weights = load_file(last / "adapter_model.safetensors")
    state = load_file(last / "optimizer.safetensors")
    model = files.read_json(straight / "run.json")["model"]

    assert not (last / "model.safetensors").exists()
    assert sum(tensor.numel() for tensor in weights.values()) == matrices + 16 * 17 + 2 * 17
    assert {name.partition("::")[0] for name in state} == {
        key.removeprefix("base_model.model.")
        .replace("_A.w", "_A.default.w")
        .replace("_B.w", "_B.default.w")
        for key in weights
    }
    assert (model["trained"], model["trained_head"]) == (matrices, 16 * 17 + 2 * 17)
    body = model["parameters"] - matrices - model["trained_head"]
    assert model["trained_share"] == pytest.approx(matrices / body)


@pytest.mark.parametrize("case", CASES[:1], ids=str)
def test_the_last_checkpoint_is_a_model(
    llmctl: Callable[..., Any], straight: Path, case: TaskCase
) -> None:
    from llmctl.models.load import load_model

    model = load_model(straight / "last", "sequence-classification", device="cpu")

    assert model.config.id2label == {0: "land", 1: "sea"}
    assert llmctl("checkpoint", "verify", straight).code == EXIT_DONE


def test_a_run_whose_base_has_changed_does_not_go_on(
    llmctl: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, CLASSES)
    assert llmctl("finetune", recipe, "-o", tmp_path / "run", *LORA, "budget.steps=3").code == 0
    path = tmp_path / "model-bert" / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.embeddings.LayerNorm.bias"][0] += 1.0
    save_file(tensors, path, metadata={"format": "pt"})

    refused = llmctl("finetune", recipe, "-o", tmp_path / "run", *LORA)

    assert refused.code == SettingsMismatch.exit_code
    assert f"{tmp_path / 'model-bert'} has other weights than when" in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.lora.rank=0"], "model.lora.rank"),
        (["model.lora.targets=[auto, query]"], "auto already means every linear layer"),
        (["model.lora.targets=[]"], "model.lora.targets"),
        (["model.lora.ranks=4"], "did you mean 'rank'"),
        (["model.lora.targets=qury"], "did you mean 'query'?"),
        (["model.lora={}", "model={preset: bert-tiny, lora: {}}"], "give path, not preset"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    llmctl: Callable[..., Any], tmp_path: Path, words: list[str], message: str
) -> None:
    refused = llmctl("finetune", write_recipe(tmp_path, CLASSES), "-o", tmp_path / "run", *words)

    assert refused.code == UsageError.exit_code
    assert message in refused.err


def test_lora_learns_at_ten_times_the_usual_rate(tmp_path: Path) -> None:
    """2e-4 is the usual rate of a model as small as this one."""
    recipe = write_recipe(tmp_path, CLASSES)

    for words, expected in ([], 2e-4), (["model.lora={}"], 2e-3):
        run = tmp_path / f"run{len(words)}"
        finetune(recipe, run, *words, "optimizer={name: adamw}", "budget.steps=1")
        found = files.read_json(run / "run.json")["auto"]["learning_rate"]
        assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "head", "shape", "trained", "body"),
    [
        (
            "bert", "SequenceClassification",  # all-MiniLM-L6
            {"vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
             "num_attention_heads": 12, "intermediate_size": 1536},
            6 * 8 * (4 * (384 + 384) + 2 * (384 + 1536)), 22_565_376,
        ),
        (
            "llama", "CausalLM",  # SmolLM2-135M
            {"vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "intermediate_size": 1536,
             "tie_word_embeddings": True},
            30 * 8 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536)), 134_515_008,
        ),
    ],
)  # fmt: skip
def test_less_than_two_percent_of_a_real_model_learns(
    kind: str, head: str, shape: dict[str, Any], trained: int, body: int
) -> None:
    """Rank 8 beside every linear layer of a block; the bodies' sizes are those that are published
    (MiniLM's without its pooler, which counts as head)."""
    import transformers

    from llmctl.models.finetune_settings import Lora
    from llmctl.models.lora import add_lora
    from llmctl.pipelines.finetune_model import describe_trained

    words = {"SequenceClassification": "sequence-classification", "CausalLM": "causal"}
    with torch.device("meta"):
        config = transformers.AutoConfig.for_model(kind, **shape)
        model = getattr(transformers, f"AutoModelFor{head}").from_config(config)
        add_lora(model, Lora(), words[head], seed=1)

    found = describe_trained(model)

    assert found["trained"] == trained
    assert found["trained_share"] == pytest.approx(trained / body)
    assert found["trained_share"] < 0.02
