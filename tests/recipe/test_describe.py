"""Every setting in plain words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from toy_recipe import Data, ToyRecipe

from llmctl.recipe.annotations import kinds_of
from llmctl.recipe.describe import Setting, describe, setting_paths
from llmctl.recipe.schema import PretrainRecipe
from llmctl.recipe.words import in_words
from llmctl.section import Names


def settings() -> dict[str, list[Setting]]:
    found: dict[str, list[Setting]] = {}
    for setting in describe(ToyRecipe):
        found.setdefault(setting.path, []).append(setting)
    return found


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "whole number"),
        (float | None, "number, or null"),
        (bool, "true or false"),
        (str | list[str], "text or list of text"),
        (Names, "text or list of text"),
        (list[int], "list of whole numbers"),
        (tuple[float, float], "list of 2 numbers"),
        (tuple[int, ...], "list of whole numbers"),
        (dict[str, int], "mapping"),
        (Any, "anything"),
        (Literal["cosine", "linear"], "one of cosine, linear"),
        (Literal["a", None, True], "one of a, null, true"),
        (int | Literal["auto"] | None, "whole number or auto, or null"),
        (list[Literal["a", "b"]], "list of (one of a, b)"),
        (list[int | str], "list of (whole number or text)"),
        (Annotated[int, Field(gt=0)], "whole number above 0"),
        (Annotated[float, Field(ge=0, le=1)], "number from 0 to 1"),
        (Annotated[float, Field(gt=0, lt=1)] | None, "number above 0 to below 1, or null"),
        (Annotated[float, Field(le=1e-3)], "number up to 0.001"),
        (Data, "section"),
        (list[Data], "list of sections"),
    ],
)
def test_types_are_said_in_words(annotation: Any, words: str) -> None:
    assert in_words(kinds_of(annotation)) == words


def test_every_setting_is_there_in_declared_order() -> None:
    paths = list(settings())

    assert paths == setting_paths(ToyRecipe)
    assert paths[:8] == [
        "schema", "command", "title", "data.train", "data.text_column", "data.unit",
        "data.filters", "data.filters[].name",
    ]  # fmt: skip
    assert paths[-3:] == ["sizes", "config", "folder"]


def test_a_setting_states_type_default_and_meaning() -> None:
    (ratio,), (train,) = settings()["ratio"], settings()["data.train"]

    assert (ratio.type, ratio.default_text, ratio.description) == (
        "number from 0 to 1", "0.5", "A share",
    )  # fmt: skip
    assert (train.required, train.default_text) == (True, "required")


def test_choices_are_listed_by_name_and_shared_settings_once() -> None:
    found = settings()

    (name,) = found["optimizer.name"]
    assert (name.type, name.default) == ("one of adam, sgd", "adam")
    assert name.description == "How weights move. adam: Adam, as ever. sgd: Plain descent."
    assert [(s.only_for, s.default) for s in found["optimizer.learning_rate"]] == [
        (("adam",), 6e-4),
        (("sgd",), 0.1),
    ]
    assert [(s.only_for, s.default_text) for s in found["optimizer.betas"]] == [
        (("adam",), "[0.9, 0.95]")
    ]


def test_a_setting_that_all_choices_share_is_always_there() -> None:
    warmup = [s for s in describe(PretrainRecipe) if s.path == "schedule.warmup_steps"]

    assert [setting.only_for for setting in warmup] == [()]


def test_a_section_that_may_be_absent_says_so() -> None:
    (lora,), (rank,) = settings()["lora"], settings()["lora.rank"]

    assert (lora.type, lora.default_text) == ("section, or null", "null")
    assert (rank.type, rank.default) == ("whole number above 0", 8)


def test_every_setting_of_the_real_recipe_has_a_meaning() -> None:
    missing = [setting.path for setting in describe(PretrainRecipe) if not setting.description]

    assert missing == []
