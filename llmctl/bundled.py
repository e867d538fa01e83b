"""Recipes and text that come with llmctl: where they lie, and what `bundled:NAME` stands for.

An installed wheel holds them in `llmctl/shipped`; a checkout has them in `recipes` and
`examples/data`.
"""

from __future__ import annotations

import re
from pathlib import Path

import llmctl
from llmctl.errors import InputMissing
from llmctl.registry import nearest

BUNDLED = "bundled:"
_PACKAGE = Path(llmctl.__file__).parent
_NOT_DATA = re.compile(r"(readme|licen[cs]e|notice|\.).*|.*\.licen[cs]e", re.IGNORECASE)


def recipes_folder() -> Path | None:
    return _folder("recipes", "recipes")


def data_folder() -> Path | None:
    return _folder("data", "examples/data")


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


def _folder(in_wheel: str, in_checkout: str) -> Path | None:
    shipped, checkout = _PACKAGE / "shipped" / in_wheel, _PACKAGE.parent
    if shipped.is_dir():
        return shipped
    return checkout / in_checkout if (checkout / "pyproject.toml").is_file() else None
