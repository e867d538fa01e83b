"""The JSON Schema that editors read."""

from __future__ import annotations

from toy_recipe import ToyRecipe

from llmctl.recipe.json_schema import DIALECT, json_schema
from llmctl.recipe.schema import PretrainRecipe


def test_one_commands_schema_begins_with_the_head() -> None:
    schema = json_schema({"toy": ToyRecipe})

    toy = schema["$defs"]["ToyRecipe"]
    assert schema["$schema"] == DIALECT
    assert schema["$ref"] == "#/$defs/ToyRecipe"
    assert toy["required"] == ["schema", "command", "data"]
    assert toy["properties"]["schema"]["const"] == 1
    assert toy["properties"]["command"]["const"] == "toy"
    assert toy["additionalProperties"] is False


def test_several_commands_share_one_schema() -> None:
    schema = json_schema({"toy": ToyRecipe, "pretrain": PretrainRecipe})

    assert schema["anyOf"] == [
        {"$ref": "#/$defs/ToyRecipe"},
        {"$ref": "#/$defs/PretrainRecipe"},
    ]


def test_what_the_loader_takes_is_valid_in_the_schema() -> None:
    definitions = json_schema({"toy": ToyRecipe})["$defs"]

    train = definitions["Data"]["properties"]["train"]
    assert train["anyOf"] == [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    optimizer = definitions["ToyRecipe"]["properties"]["optimizer"]
    assert optimizer["anyOf"] == [{"$ref": "#/$defs/Adam"}, {"$ref": "#/$defs/Sgd"}]
    assert "discriminator" not in optimizer


def test_meanings_are_there_for_the_editor_to_show() -> None:
    toy = json_schema({"toy": ToyRecipe})["$defs"]["ToyRecipe"]

    assert toy["properties"]["ratio"]["description"] == "A share"
