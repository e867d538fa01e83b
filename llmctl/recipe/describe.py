"""Every setting of a recipe with its meaning, read from the declared fields alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from llmctl.recipe.annotations import (
    DISCRIMINATOR,
    Kind,
    choices,
    field_kinds,
    item_kinds,
    key_of,
    name_of,
    sections_of,
)
from llmctl.recipe.defaults import REQUIRED, default_of
from llmctl.recipe.words import as_written, in_words


@dataclass(frozen=True)
class Setting:
    """One setting: what to type, what it takes, what it means."""

    path: str
    type: str
    """In words: "number above 0", "one of cosine, linear", "text or list of text"."""
    default: Any
    """Plain data; None where `required`."""
    required: bool
    description: str
    only_for: tuple[str, ...] = ()
    """Names of the choices that have this setting, such as `sgd`; empty: it is always there."""

    @property
    def default_text(self) -> str:
        return "required" if self.required else as_written(self.default)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "only_for": list(self.only_for)}


def describe(recipe_class: type[BaseModel]) -> list[Setting]:
    """All settings in declared order; those that several choices share are listed once.

    >>> from llmctl.recipe.schema import PretrainRecipe
    >>> {setting.path: setting.type for setting in describe(PretrainRecipe)}["schedule.name"]
    'one of cosine, linear, constant, wsd'
    """
    return list(_section(recipe_class, "", None))


def setting_paths(recipe_class: type[BaseModel]) -> list[str]:
    """Every dotted path once.

    >>> from llmctl.recipe.schema import PretrainRecipe
    >>> "optimizer.learning_rate" in setting_paths(PretrainRecipe)
    True
    """
    return list(dict.fromkeys(setting.path for setting in describe(recipe_class)))


def _section(
    section: type[BaseModel], prefix: str, base: BaseModel | None, *, is_choice: bool = False
) -> Iterator[Setting]:
    for name, field in section.model_fields.items():
        key = key_of(name, field)
        if not (is_choice and key == DISCRIMINATOR):
            yield from _field(field, prefix + key, default_of(name, field, base))


def _field(field: FieldInfo, path: str, default: Any) -> Iterator[Setting]:
    kinds = field_kinds(field)
    sections = sections_of(kinds)
    base = default if isinstance(default, BaseModel) else None
    if not sections or len(sections) < len(kinds):
        yield _setting(path, in_words(kinds), default, field.description or "")
    if by_name := choices(kinds):
        yield _choice(path, by_name, default, field.description or "")
        yield from _choices(by_name, path, base)
    else:
        for section in sections:
            fitting = base if type(base) is section else None
            yield from _section(section, f"{path}.", fitting)
    for kind in kinds:
        yield from _items(kind, path)


def _items(kind: Kind, path: str) -> Iterator[Setting]:
    """The settings of each section in a list (`filters[].name`) or mapping (`tasks.*.name`)."""
    kinds = item_kinds(kind)
    below = f"{path}.*" if kind.origin is dict else f"{path}[]"
    if by_name := choices(kinds):
        yield _choice(below, by_name, REQUIRED, "")
        yield from _choices(by_name, below, None)
    else:
        for section in sections_of(kinds):
            yield from _section(section, f"{below}.", None)


def _choice(
    path: str, by_name: dict[str, type[BaseModel]], default: Any, description: str
) -> Setting:
    meanings = [
        f"{name}: {section.__doc__.splitlines()[0]}"
        for name, section in by_name.items()
        if section.__doc__
    ]
    return _setting(
        f"{path}.{DISCRIMINATOR}",
        f"one of {', '.join(by_name)}",
        name_of(type(default)) if isinstance(default, BaseModel) else REQUIRED,
        " ".join([f"{description}." if description else "", *meanings]).strip(),
    )


def _choices(
    by_name: dict[str, type[BaseModel]], path: str, base: BaseModel | None
) -> Iterator[Setting]:
    found: dict[str, tuple[Setting, list[str]]] = {}
    for name, section in by_name.items():
        fitting = base if type(base) is section else None
        for setting in _section(section, f"{path}.", fitting, is_choice=True):
            found.setdefault(repr(setting), (setting, []))[1].append(name)
    for setting, names in found.values():
        if len(names) == len(by_name):
            yield setting
        else:
            inner = f" ({', '.join(setting.only_for)})" if setting.only_for else ""
            yield replace(setting, only_for=tuple(f"{name}{inner}" for name in names))


def _setting(path: str, type_words: str, default: Any, description: str) -> Setting:
    required = default is REQUIRED
    plain = None if required else to_jsonable_python(default)
    return Setting(path, type_words, plain, required, description)
