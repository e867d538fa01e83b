"""`llmctl recipe check` looks into the folders that a recipe names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from encoders import make_encoder, make_masked_tokenizer

from llmctl.errors import EXIT_DONE, UsageError


def written(folder: Path, *lines: str) -> Path:
    path = folder / "recipe.yaml"
    text = [
        "schema: 1",
        "command: pretrain",
        "data: {train: text.txt, block_length: 16}",
        "budget: {steps: 1}",
        *lines,
    ]
    path.write_text("\n".join(text), encoding="utf-8")
    return path


def test_a_tokenizer_without_a_mask_is_refused(
    tmp_path: Path, tokenizer_folder: Path, llmctl: Callable[..., Any]
) -> None:
    recipe = written(
        tmp_path, "model: {preset: bert-tiny}", "objective: {name: masked_lm}",
        f"tokenizer: {{path: {tokenizer_folder}}}",
    )  # fmt: skip

    outcome = llmctl("recipe", "check", recipe)

    assert outcome.code == UsageError.exit_code
    assert "mask" in outcome.err
    assert "hint: " in outcome.err


def test_a_checkpoint_that_cannot_learn_the_objective_is_refused(
    tmp_path: Path, llmctl: Callable[..., Any]
) -> None:
    model = make_encoder(tmp_path / "bert")
    recipe = written(tmp_path, f"model: {{path: {model}}}", "objective: {name: span_corruption}")

    outcome = llmctl("recipe", "check", recipe)

    assert outcome.code == UsageError.exit_code
    assert "bert" in outcome.err
    assert "objective.name=masked_lm" in outcome.err


def test_folders_that_fit_pass(tmp_path: Path, llmctl: Callable[..., Any]) -> None:
    model = make_encoder(tmp_path / "bert")
    recipe = written(tmp_path, f"model: {{path: {model}}}", "objective: {name: masked_lm}")

    assert llmctl("recipe", "check", recipe).code == EXIT_DONE


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_tokenizer_of_an_encoder_fits_masked_language_modelling(
    tmp_path: Path, family: str, llmctl: Callable[..., Any]
) -> None:
    tokenizer = make_masked_tokenizer(tmp_path / "tokenizer", family)
    recipe = written(
        tmp_path, "model: {preset: bert-tiny}", "objective: {name: masked_lm}",
        f"tokenizer: {{path: {tokenizer}}}",
    )  # fmt: skip

    assert llmctl("recipe", "check", recipe).code == EXIT_DONE


def test_a_model_that_a_task_has_no_head_for_is_refused(
    tmp_path: Path, llmctl: Callable[..., Any]
) -> None:
    model = tmp_path / "lstm"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "lstm"}', encoding="utf-8")
    recipe = tmp_path / "finetune.yaml"
    recipe.write_text(
        f"schema: 1\ncommand: finetune\nmodel: {{path: {model}}}\n"
        "task: {name: text-classification}\ndata: {train: rows.csv}\n",
        encoding="utf-8",
    )

    outcome = llmctl("recipe", "check", recipe)

    assert outcome.code == UsageError.exit_code
    assert "SequenceClassification" in outcome.err
