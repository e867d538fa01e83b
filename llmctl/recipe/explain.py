"""What pydantic found wrong, in words that name settings instead of types and union tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llmctl.recipe.annotations import DISCRIMINATOR, choices, fields_of, name_of, sections_of
from llmctl.recipe.describe import setting_paths
from llmctl.recipe.places import NOTHING, Place, locate
from llmctl.recipe.words import as_written, in_words, is_closed, literals, value_in_words
from llmctl.recipe.yaml_strict import Key, dotted
from llmctl.registry import nearest


@dataclass(frozen=True)
class Mistake:
    """One thing wrong with a recipe's data."""

    keys: tuple[Key, ...]
    text: str
    of_type: bool = False
    """Whether the value is of another type than the setting wants."""


def explain(failure: ValidationError, recipe_class: type[BaseModel], data: Any) -> list[Mistake]:
    """Every mistake once, in the order in which pydantic met them.

    The alternatives of a union complain one by one: their complaints about one value become one.
    """
    found: dict[tuple[Key, ...], list[tuple[Place, ErrorDetails]]] = {}
    for error in failure.errors(include_url=False):
        place = locate(recipe_class, data, error["loc"])
        found.setdefault(place.keys, []).append((place, error))
    mistakes = []
    for keys, errors in found.items():
        deeper = any(other[: len(keys)] == keys and other != keys for other in found)
        if deeper and all(place.of_union for place, _ in errors):
            continue  # another alternative came further: its complaints say more
        place, error = max(errors, key=lambda item: item[1]["type"] in _TEXTS)
        mistakes.append(_mistake(place, error, recipe_class))
    return mistakes


def _mistake(place: Place, error: ErrorDetails, recipe_class: type[BaseModel]) -> Mistake:
    kind, keys = error["type"], place.keys
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        value = place.value.get(DISCRIMINATOR, NOTHING) if isinstance(place.value, dict) else None
        if isinstance(place.value, dict):
            return Mistake((*keys, DISCRIMINATOR), choose_one(list(choices(place.kinds)), value))
    if kind == "extra_forbidden":
        return Mistake(keys, _unknown_key(place, recipe_class))
    if kind in _TEXTS:
        return Mistake(keys, _TEXTS[kind]({**error.get("ctx", {}), "found": place.value}))
    if place.value is NOTHING:
        return Mistake(keys, f"required: {_wanted(place)}")
    if isinstance(place.value, str) and is_closed(place.kinds):
        return Mistake(keys, choose_one(literals(place.kinds), place.value), of_type=True)
    if not place.kinds:
        return Mistake(keys, error["msg"].removeprefix("Input "))
    return wrong_type(place)


def wrong_type(place: Place) -> Mistake:
    """Say what belongs at a place and what was found there."""
    if isinstance(place.value, str) and place.value in choices(place.kinds):
        words = f"expected section; write {{{DISCRIMINATOR}: {place.value}}}"
        return Mistake(place.keys, words, of_type=True)
    words = f"expected {_wanted(place)}; found {value_in_words(place.value)}"
    return Mistake(place.keys, words + _perhaps(place.value, literals(place.kinds)), of_type=True)


def choose_one(names: Sequence[str], value: Any) -> str:
    """
    >>> choose_one(["cosine", "linear"], "cosin")
    "choose one of cosine, linear, not 'cosin'; did you mean 'cosine'?"
    """
    text = f"choose one of {', '.join(names)}"
    if value is NOTHING:
        return f"required: {text}"
    if not isinstance(value, str):
        return f"{text}; found {value_in_words(value)}"
    return f"{text}, not {value!r}{_perhaps(value, names)}"


def _perhaps(value: Any, names: Sequence[str]) -> str:
    close = nearest(value, list(names)) if isinstance(value, str) else None
    return f"; did you mean {close!r}?" if close else ""


def _wanted(place: Place) -> str:
    """What belongs at a place: its type, and for a section the settings that it needs or has."""
    words = in_words(place.kinds)
    sections = sections_of(place.kinds)
    if len(sections) != 1:
        return words
    fields = fields_of(sections[0])
    needed = [key for key, field in fields.items() if field.is_required()]
    return words.replace("section", f"section with {', '.join(needed or fields)}", 1)


def _unknown_key(place: Place, recipe_class: type[BaseModel]) -> str:
    """Say where the word belongs, what it may have meant, or what there is."""
    word, section = str(place.keys[-1]), place.section
    known = list(fields_of(section)) if section else []
    chosen = name_of(section) if section and place.siblings else None
    owners = [name_of(other) or "" for other in place.siblings if word in fields_of(other)]
    if chosen and owners:
        return f"{chosen} has no such setting ({', '.join(owners)}: yes); it has {', '.join(known)}"
    paths = setting_paths(recipe_class)
    if "." in word and word in paths:
        above, _, last = word.rpartition(".")
        return f"dotted paths belong on the command line; here, write {last!r} below '{above}:'"
    if close := nearest(word, known):
        return f"no such setting; did you mean {close!r}?"
    elsewhere = [path for path in paths if path.rpartition(".")[2] == word]
    if elsewhere:
        return f"no such setting here; did you mean {' or '.join(map(repr, elsewhere[:3]))}?"
    where = chosen or dotted(place.keys[:-1]) or "a recipe"
    return f"no such setting; {where} has {', '.join(known)}"


def _bound(words: str, key: str) -> Callable[[dict[str, Any]], str]:
    def text(context: dict[str, Any]) -> str:
        limit = context[key]
        shown = f"{limit:g}" if isinstance(limit, float) else limit
        return f"must be {words} {shown}; found {as_written(context['found'])}"

    return text


def _length(words: str, key: str) -> Callable[[dict[str, Any]], str]:
    def text(context: dict[str, Any]) -> str:
        if context[key] == 1 and key == "min_length":
            return "must not be empty"
        unit = "items" if "actual_length" in context else "letters"
        return f"must have {words} {context[key]} {unit}"

    return text


# Mistakes that are about a value, not about its type: pydantic's name for them → words.
_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "multiple_of": _bound("a multiple of", "multiple_of"),
    "too_short": _length("at least", "min_length"),
    "too_long": _length("at most", "max_length"),
    "string_too_short": _length("at least", "min_length"),
    "string_too_long": _length("at most", "max_length"),
    "string_pattern_mismatch": _bound("written like", "pattern"),
    "finite_number": lambda _: "must be a finite number",
    "value_error": lambda context: str(context["error"]),
    "assertion_error": lambda context: str(context["error"]),
}
