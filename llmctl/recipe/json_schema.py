"""JSON Schema of recipes, by which an editor completes and checks them while they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(recipe_classes: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """One schema for the recipes of one command or of several, told apart by their `command`."""
    found, top = models_json_schema(
        [(recipe_class, "validation") for recipe_class in recipe_classes.values()]
    )
    references = [found[recipe_class, "validation"] for recipe_class in recipe_classes.values()]
    definitions = top["$defs"]
    for reference in references:
        definition = definitions[reference["$ref"].rpartition("/")[2]]
        required = [key for key in definition.get("required", []) if key not in _HEAD]
        definition["required"] = [*_HEAD, *required]
        definition["properties"].setdefault("schema", {"const": 1})
    title = f"llmctl recipe ({', '.join(recipe_classes)})"
    chosen = references[0] if len(references) == 1 else {"anyOf": references}
    return {"$schema": DIALECT, "title": title, **chosen, "$defs": _loosened(definitions)}


_HEAD = ("schema", "command")


def _loosened(schema: Any) -> Any:
    """`name` may be left out where the default's is meant: then several alternatives can fit."""
    if isinstance(schema, list):
        return [_loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    is_choice = "oneOf" in schema and "discriminator" in schema
    loose = {
        "anyOf" if is_choice and key == "oneOf" else key: _loosened(value)
        for key, value in schema.items()
        if not (is_choice and key == "discriminator")
    }
    if loose.get("required") == ["name"]:
        del loose["required"]
    return loose
