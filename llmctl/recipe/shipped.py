"""Recipes and text that come with llmctl: `NAME` and `bundled:NAME`.

An installed wheel holds them in `llmctl/shipped`; a checkout has them in `recipes` and
`examples/data`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

import llmctl
from llmctl.errors import InputMissing
from llmctl.registry import nearest

BUNDLED = "bundled:"
_PACKAGE = Path(llmctl.__file__).parent
_NOT_DATA = re.compile(r"(readme|licen[cs]e|notice|\.).*|.*\.licen[cs]e", re.IGNORECASE)
AnySection = TypeVar("AnySection", bound=BaseModel)


def _folder(in_wheel: str, in_checkout: str) -> Path | None:
    shipped, checkout = _PACKAGE / "shipped" / in_wheel, _PACKAGE.parent
    if shipped.is_dir():
        return shipped
    return checkout / in_checkout if (checkout / "pyproject.toml").is_file() else None


def recipes_folder() -> Path | None:
    return _folder("recipes", "recipes")


def data_folder() -> Path | None:
    return _folder("data", "examples/data")


def shipped_recipes() -> dict[str, Path]:
    """Every shipped recipe by its name: `recipes/quickstart/gpt-tiny.yaml` is `gpt-tiny`."""
    folder = recipes_folder()
    found = sorted(folder.glob("*/*.yaml")) if folder else []
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def bundled_names() -> list[str]:
    """What can follow `bundled:`; licences and readmes are left out."""
    folder = data_folder()
    if folder is None:
        return []
    paths = sorted(path for path in folder.rglob("*") if not _NOT_DATA.fullmatch(path.name))
    return [path.relative_to(folder).as_posix() for path in paths]


def bundled_data(name: str) -> Path:
    """The file or folder of bundled data called `name`; its ending may be left out.

    Raises:
        InputMissing: nothing bundled has that name; the message lists what there is.
    """
    folder, names = data_folder(), bundled_names()
    matches = [known for known in names if name in (known, known.split(".")[0])]
    if folder is None or not matches:
        close = nearest(name, names)
        raise InputMissing(
            f"no bundled data is called {name!r}; there is {', '.join(names) or 'none'}",
            hint=f"did you mean {BUNDLED}{close}?" if close else None,
        )
    return folder / (name if name in matches else matches[0])


def resolve_bundled(section: AnySection) -> AnySection:
    """A copy of a recipe in which each text `bundled:NAME` is the path of that data.

    Pipelines call it on what they run; the recipe that is shown or kept in a run folder says
    `bundled:NAME`, which means the same on every machine.

    Raises:
        InputMissing: nothing bundled has that name.
    """
    values = {name: getattr(section, name) for name in type(section).model_fields}
    changed = {name: new for name, value in values.items() if (new := _resolve(value)) is not value}
    return section.model_copy(update=changed) if changed else section


def _resolve(value: Any) -> Any:
    """The value itself where nothing is bundled, so that untouched sections stay as they are."""
    if isinstance(value, str) and value.startswith(BUNDLED):
        return str(bundled_data(value.removeprefix(BUNDLED)))
    if isinstance(value, BaseModel):
        return resolve_bundled(value)
    new: Any = value
    if isinstance(value, list | tuple):
        new = type(value)(_resolve(item) for item in value)
    elif isinstance(value, Mapping):
        new = {key: _resolve(item) for key, item in value.items()}
    return value if new == value else new
