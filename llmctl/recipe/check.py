"""Plain data → a checked recipe, or every mistake in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from llmctl.recipe.defaults import fill_in
from llmctl.recipe.explain import Mistake, explain, wrong_type
from llmctl.recipe.places import locate, with_value
from llmctl.recipe.yaml_strict import Key, dotted
from llmctl.section import Section


def check(
    recipe_class: type[Section], data: Mapping[str, Any], texts: Mapping[str, str]
) -> tuple[Section | None, list[Mistake]]:
    """Check plain data against a recipe class.

    pydantic converts as a person would expect: `1e6` is a whole number where one is declared. Two
    things are mended: a number is taken as the letters it was written in where a text is declared
    (`data.train=2024`), and a boolean is refused where a number is.

    Args:
        texts: dotted path → the letters in which a number was written.
    """
    filled = fill_in(recipe_class, dict(data))
    recipe, mistakes = _validate(recipe_class, filled)
    for mistake in mistakes:
        if mistake.of_type and dotted(mistake.keys) in texts:
            attempt = with_value(filled, mistake.keys, texts[dotted(mistake.keys)])
            if mistake.keys not in {left.keys for left in _validate(recipe_class, attempt)[1]}:
                filled = attempt
    recipe, mistakes = _validate(recipe_class, filled)
    known = {mistake.keys for mistake in mistakes}
    mistakes += [m for m in _booleans_for_numbers(recipe_class, filled) if m.keys not in known]
    return (None if mistakes else recipe), mistakes


def _validate(recipe_class: type[Section], data: Any) -> tuple[Section | None, list[Mistake]]:
    try:
        return recipe_class.model_validate(data), []
    except ValidationError as failure:
        return None, explain(failure, recipe_class, data)


def _booleans_for_numbers(recipe_class: type[Section], data: Any) -> Iterator[Mistake]:
    """pydantic takes true for 1; someone who wrote true meant another setting."""
    for keys in _booleans(data, ()):
        place = locate(recipe_class, data, keys)
        types = {kind.origin for kind in place.kinds}
        if types & {int, float} and not types & {bool, Any, object, Literal}:
            yield wrong_type(place)


def _booleans(value: Any, keys: tuple[Key, ...]) -> Iterator[tuple[Key, ...]]:
    if isinstance(value, bool):
        yield keys
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in pairs:
            yield from _booleans(below, (*keys, key))
