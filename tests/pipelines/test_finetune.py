"""What holds for every task: it trains, resumes exactly, and depends on nothing it should not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from finetune_runs import (
    CASES,
    TaskCase,
    finetune,
    losses,
    straight_run,
    write_recipe,
)
from safetensors.torch import load_file

from llmctl import files
from llmctl.errors import EXIT_DONE, DataError, UsageError

EVERY = pytest.mark.parametrize("case", CASES, ids=str)
CLASSES = CASES[0]


@pytest.fixture
def straight(tmp_path_factory: pytest.TempPathFactory, case: TaskCase) -> Path:
    return straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", case)


@EVERY
def test_it_trains_and_a_fresh_process_loads_the_model(straight: Path) -> None:
    """The reload check of the run would have failed on a missing weight or another logit."""
    results = files.read_json(straight / "results.json")

    assert losses(straight)[5] < losses(straight)[0]
    assert results["validation"]["rows"] == 21
    assert results["metric"] in results["validation"]["metrics"]
    assert results["validation"]["baseline"]["metrics"]
    assert len(files.read_json_lines(straight / "predictions-validation.jsonl")) == 21


@EVERY
def test_a_resumed_run_equals_an_uninterrupted_one(
    straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    """Three steps and three more are six steps, bit for bit."""
    recipe = write_recipe(straight.parent / "recipes", case, reload=True)

    finetune(recipe, tmp_path / "run", "budget.steps=3")
    finetune(recipe, tmp_path / "run")

    weights = load_file(straight / "last" / "model.safetensors")
    again = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert losses(tmp_path / "run") == losses(straight)


@EVERY
def test_micro_batches_of_any_size_give_the_same_losses_and_scores(
    straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    """Rows padded to other lengths in batches of 3 instead of 8. Tolerances as for objectives."""
    recipe = write_recipe(straight.parent / "recipes", case, reload=True)

    results = finetune(recipe, tmp_path / "run", "batch.micro_batch_size=3")

    assert losses(tmp_path / "run")[:3] == pytest.approx(losses(straight)[:3], rel=1e-5)
    assert losses(tmp_path / "run") == pytest.approx(losses(straight), rel=1e-4)
    first = files.read_json(straight / "results.json")["validation"]["metrics"]
    for name, found in results["validation"]["metrics"].items():
        assert found["value"] == pytest.approx(first[name]["value"], rel=1e-3), name


def test_the_model_knows_its_labels(tmp_path_factory: pytest.TempPathFactory) -> None:
    from transformers import AutoModelForSequenceClassification

    run = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", CLASSES)
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")

    assert model.config.id2label == {0: "land", 1: "sea"}
    assert model.config.problem_type == "single_label_classification"


def test_predict_answers_as_the_evaluation_did_in_batches_of_any_size(
    llmctl: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    run = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", CLASSES)
    rows = run.parent / "recipes" / "classes-held-out.jsonl"
    measured = files.read_json_lines(run / "predictions-validation.jsonl")

    for size in (1, 7):
        out = tmp_path / f"{size}.jsonl"
        done = llmctl("predict", run, rows, "-o", out, "--batch-size", size)
        assert done.code == EXIT_DONE
        found = files.read_json_lines(out)
        assert [row["prediction"] for row in found] == [row["prediction"] for row in measured]
        for row, expected in zip(found, measured, strict=True):
            assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_rows_without_an_answer_are_predicted_and_bad_ones_are_reported(
    llmctl: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    run = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", CLASSES)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "the sea"}\n{"text": ""}\n{"words": "x"}\n', encoding="utf-8")

    done = llmctl("predict", run, rows, "-o", tmp_path / "out.jsonl")

    found = files.read_json_lines(tmp_path / "out.jsonl")
    assert done.code == EXIT_DONE
    assert found[0]["prediction"] in ("sea", "land")
    assert found[1]["error"] == "column 'text' is empty"
    assert found[2]["error"].startswith("column 'text' is missing")


def test_an_unknown_label_is_refused_with_its_place_and_the_nearest_one(
    llmctl: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, CLASSES)
    held_out = tmp_path / "classes-held-out.jsonl"
    held_out.write_text('{"text": "the sea", "label": "seas"}\n', encoding="utf-8")

    refused = llmctl("finetune", recipe, "-o", tmp_path / "run")

    assert refused.code == DataError.exit_code
    assert f"{held_out}:1: label 'seas' is unknown; did you mean 'sea'?" in refused.err
    assert "data.problems.unknown_label=drop" in refused.err


def test_training_rows_that_are_measured_on_are_named(
    llmctl: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, CLASSES)
    rows = (tmp_path / "classes.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "classes-held-out.jsonl").write_text(rows[4] + "\n", encoding="utf-8")

    kept = llmctl("finetune", recipe, "-o", tmp_path / "run", "budget.steps=1")
    listed = files.read_json_lines(tmp_path / "run" / "data" / "problems.jsonl")

    assert kept.code == EXIT_DONE
    assert [(row["kind"], row["place"]) for row in listed] == [
        ("overlap", f"{tmp_path / 'classes.jsonl'}:5")
    ]
    dropped = llmctl(
        "finetune", recipe, "-o", tmp_path / "other", "budget.steps=1", "data.problems.overlap=drop"
    )
    assert dropped.code == EXIT_DONE
    assert files.read_json(tmp_path / "other" / "run.json")["data"]["train"]["rows"] == 59


def test_a_single_label_cannot_be_learnt(llmctl: Callable[..., Any], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, CLASSES)
    (tmp_path / "classes.jsonl").write_text('{"text": "a", "label": "x"}\n' * 3, encoding="utf-8")

    refused = llmctl("finetune", recipe, "-o", tmp_path / "run")

    assert refused.code == DataError.exit_code
    assert "holds 1 label (x)" in refused.err


def test_a_policy_for_an_unknown_problem_is_refused(
    llmctl: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, CLASSES)

    refused = llmctl("finetune", recipe, "-o", tmp_path / "run", "data.problems.overlaps=drop")

    assert refused.code == UsageError.exit_code
    assert "did you mean 'overlap'?" in refused.err


def test_early_stopping_looks_at_the_metric(tmp_path: Path) -> None:
    """A rate of nearly zero never improves: after two validations without a better score it ends,
    and the first checkpoint, as good as the later ones, is kept."""
    recipe = write_recipe(tmp_path, CLASSES)

    results = finetune(
        recipe, tmp_path / "run", "optimizer.learning_rate=1e-9", "validation.every_steps=1",
        "validation.patience=2", "validation.metric=accuracy",
    )  # fmt: skip

    assert results["finished_by"] == "patience"
    assert (results["best_step"], results["steps"]) == (1, 3)


@EVERY
def test_eval_measures_what_the_run_measured_in_batches_of_any_size(
    llmctl: Callable[..., Any], straight: Path, tmp_path: Path, case: TaskCase
) -> None:
    """Scores that count answers are equal; the others agree to 1e-4: padding changes rounding."""
    rows = straight.parent / "recipes" / f"{case}-held-out.jsonl"
    if not rows.exists():
        rows = next((straight.parent / "recipes").glob(f"{case}-held-out.*"))
    first = files.read_json(straight / "results.json")["validation"]["metrics"]

    for tokens in (30, 4096):
        out = tmp_path / str(tokens)
        done = llmctl("eval", straight, "--data", rows, "--batch-tokens", tokens, "-o", out)
        assert done.code == EXIT_DONE, done.err
        found = files.read_json(out / "results.json")["metrics"]
        for name, expected in first.items():
            assert found[name]["value"] == pytest.approx(expected["value"], rel=1e-4), name


def test_a_gate_on_a_finetuned_model_fails_a_build(
    llmctl: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = straight_run(tmp_path_factory.getbasetemp() / "straight-tasks", CLASSES)
    rows = run.parent / "recipes" / "classes-held-out.jsonl"

    assert llmctl("eval", run, "--data", rows, "--gate", "accuracy>1").code == 3
    assert llmctl("eval", run, "--data", rows, "--gate", "bleu>=1").code == 4
    assert llmctl("eval", run, "--data", rows, "--gate", "accuracy>=0").code == EXIT_DONE
