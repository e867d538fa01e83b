"""The shipped training recipes: every family has one, and the small ones need only the clone."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from llmctl import files
from llmctl.bundled import BUNDLED, bundled_data, recipes_folder
from llmctl.objectives import OBJECTIVES
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.recipe.fit import model_type_of
from llmctl.recipe.load import load_recipe
from llmctl.recipe.schema import PretrainRecipe
from llmctl.recipe.shipped import shipped_recipes

OBJECTIVE_OF = {
    "bert": "masked_lm_nsp",
    "bert-chinese": "masked_lm",
    "roberta": "masked_lm",
    "albert": "masked_lm_sop",
    "electra": "replaced_tokens",
    "gpt": "causal_lm",
    "llama": "causal_lm",
    "t5": "span_corruption",
    "bart": "denoising",
    "xlnet": "permutation_lm",
    "xlm": "translation_lm",
}
TINY = [name for name in shipped_recipes() if name.endswith("-tiny")]
FULL = [name for name in shipped_recipes() if not name.endswith("-tiny")]


def pretraining(name: str) -> PretrainRecipe:
    return cast(PretrainRecipe, load_recipe(name))


@pytest.mark.parametrize("twin", ["", "-tiny"])
@pytest.mark.parametrize("name", list(OBJECTIVE_OF))
def test_a_family_is_pretrained_with_its_objective(name: str, twin: str) -> None:
    recipe = pretraining(f"{name}{twin}")

    assert recipe.objective.name == OBJECTIVE_OF[name]
    assert recipe.objective.name in OBJECTIVES


@pytest.mark.parametrize("name", list(OBJECTIVE_OF))
def test_a_twin_is_of_the_same_family(name: str) -> None:
    full, tiny = pretraining(name), pretraining(f"{name}-tiny")

    assert model_type_of(full) == model_type_of(tiny)


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_recipe_needs_no_network(name: str) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, PretrainRecipe | FinetuneRecipe)
    pretrains = isinstance(recipe, PretrainRecipe)
    sources = recipe.data.by_source().values() if pretrains else [recipe.data]

    assert recipe.tokenizer.path is None
    assert recipe.model.path is None
    for source in sources:
        assert source.train
        for text in (*source.train, *source.validation):
            assert text.startswith(BUNDLED)
            assert bundled_data(text.removeprefix(BUNDLED)).is_file()


@pytest.mark.parametrize("name", FULL)
def test_a_recipe_says_how_to_run_it_and_what_it_costs(name: str) -> None:
    folder = cast(Path, recipes_folder()) / name
    readme = (folder / "README.md").read_text(encoding="utf-8")
    script = folder / "run.sh"

    assert readme.startswith(f"# {name}\n")
    assert "- Run: " in readme
    assert "- Cost: " in readme
    assert f"{name}-tiny" in readme
    assert script.stat().st_mode & stat.S_IXUSR
    assert f"{name}.yaml" in script.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_tiny_recipe_trains_and_its_loss_falls(
    llmctl: Callable[..., Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["checkpoints.reload_check=false", "budget={steps: 12}", "validation.every_steps=4"]

    outcome = llmctl("pretrain", "bert-chinese-tiny", *words, "-o", run)

    assert outcome.code == 0, outcome.err
    lines = files.read_json_lines(run / "metrics.jsonl")
    first, second, last = (line["validation_loss"] for line in lines if "validation_loss" in line)
    assert first > second > last
