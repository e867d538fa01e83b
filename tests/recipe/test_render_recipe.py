"""What is written loads back to the same value."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_recipe import Adam, ByLength, ByWord, Data, Lora, Sgd, ToyRecipe

from llmctl.recipe.load import load_recipe
from llmctl.recipe.render import render_recipe, to_yaml
from llmctl.recipe.schema import PretrainRecipe
from llmctl.recipe.yaml_strict import parse_yaml

TEXTS = [
    "", " ", "a", "no", "true", "null", "~", "1", "012", "1e-4", "0x1f", "1_000", ".5", ".inf",
    "-", "- a", "a: b", "a:", "#1", "a #b", "*", "&a", "!a", "@a", "%a", "`a`", "?", "[a", "{b}",
    "'", '"', "'a'", "\\", "a\nb", "a\n", "\na", "  a\n b", "\t", "a\tb", "\r\n", "\x07", "\x85",
    "\u2028", "\ufeff", "床前明月光", "🙂", "---", "...", "<<", "=", "1:30", "x" * 300,
    "2024-01-31", "long words " * 30, "bundled:moby-dick", "C:\\x", "é", "\x7f", "None", "Yes",
    "0o17", "+1",
]  # fmt: skip


def random_recipe(chance: random.Random) -> ToyRecipe:
    """A recipe with a value in every field, drawn from awkward ones."""

    def text() -> str:
        return chance.choice(TEXTS)

    def texts() -> list[str]:
        return [text() for _ in range(chance.randint(1, 4))]

    def number() -> float:
        return chance.choice([1e-4, 1e-5, 0.1, 1.0, 1 / 3, 5e-324, chance.random()])

    adam = Adam(learning_rate=number(), betas=(number(), 0.95))
    anything: dict[str, Any] = {text() or "k": [1, 1.5, None, True, text(), {"a": text()}, []]}
    filters = [ByLength(name="length", min_letters=3), ByWord(name="word", words=texts())]
    filters = filters[: chance.randint(0, 2)]
    return ToyRecipe(
        title=text(),
        data=Data(train=texts(), text_column=text() or None, filters=filters),
        optimizer=chance.choice([adam, Adam(), Sgd(name="sgd", momentum=number())]),
        lora=chance.choice([None, Lora(), Lora(rank=3, targets=texts())]),
        steps=chance.choice([None, 1, 10**9]),
        batch=chance.choice([1, "auto"]),
        ratio=number(),
        sizes={text() or "k": chance.randint(-5, 10**12)},
        config=anything,
        folder=chance.choice([None, Path("a b"), Path("2024")]),
    )  # fmt: skip


@pytest.mark.parametrize("with_defaults", [True, False])
def test_what_is_rendered_loads_back_to_an_equal_recipe(
    tmp_path: Path, with_defaults: bool
) -> None:
    chance = random.Random(7)
    path = tmp_path / "recipe.yaml"
    for _ in range(150):
        recipe = random_recipe(chance)
        path.write_text(render_recipe(recipe, with_defaults=with_defaults), encoding="utf-8")

        assert load_recipe(str(path), [], ToyRecipe) == recipe


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives_for_us_and_for_yaml_1_1_readers(text: str) -> None:
    value = {"text": text, "list": [text, text], "below": {"deep": [{"a": text}]}}
    written = to_yaml(value)

    assert parse_yaml(written).value == value
    assert yaml.safe_load(written) == value


@pytest.mark.parametrize("number", [1e-4, 1e-5, 1e16, 0.1, 1.0, -0.5, 3e-3, 5e-324, 7, -7, 10**12])
def test_any_number_survives_for_us_and_for_yaml_1_1_readers(number: float) -> None:
    written = to_yaml({"n": number})

    for value in (parse_yaml(written).value["n"], yaml.safe_load(written)["n"]):
        assert value == number
        assert type(value) is type(number)


def test_only_what_differs_is_written() -> None:
    recipe = ToyRecipe(
        data=Data(train=["诗.txt", "1e-4"]),
        optimizer=Adam(learning_rate=6e-4, betas=(0.8, 0.95)),
        lora=Lora(),
    )

    assert render_recipe(recipe, with_defaults=False) == (
        "schema: 1\n"
        "command: toy\n"
        "data:\n"
        "  train: [诗.txt, '1e-4']\n"
        "optimizer:\n"
        "  name: adam\n"
        "  betas: [0.8, 0.95]\n"
        "lora: {}\n"
    )


def test_a_value_that_is_the_class_default_but_not_the_recipes_is_written() -> None:
    recipe = ToyRecipe(data=Data(train=["a"]), optimizer=Adam())

    assert "learning_rate: 0.001\n" in render_recipe(recipe, with_defaults=False)


def test_with_defaults_every_setting_is_written() -> None:
    text = render_recipe(ToyRecipe(data=Data(train=["a"])), with_defaults=True)

    assert text.startswith("schema: 1\ncommand: toy\ntitle: ''\ndata:\n  train: [a]\n")
    assert "  betas: [0.9, 0.95]\n" in text
    assert "lora: null\nsteps: null\nbatch: auto\ncompile: false\n" in text


def test_the_real_recipe_survives(tmp_path: Path) -> None:
    recipe = PretrainRecipe.model_validate(
        {
            "model": {"preset": "gpt2-tiny", "config": {"n_layer": 2, "tie": False}},
            "data": {"train": "bundled:moby-dick"},
            "optimizer": {"name": "muon", "learning_rate": 1e-4},
            "schedule": {"name": "wsd"},
            "budget": {"tokens": 1e6},
        }
    )
    path = tmp_path / "recipe.yaml"
    for with_defaults in (True, False):
        path.write_text(render_recipe(recipe, with_defaults=with_defaults), encoding="utf-8")

        assert load_recipe(str(path), []) == recipe
        assert "bundled:moby-dick" in path.read_text(encoding="utf-8")
