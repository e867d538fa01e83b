"""From a recipe's name or path to its text."""

from __future__ import annotations

import os
from pathlib import Path

from llmctl.errors import InputMissing, Problem, RecipeError, StorageError, UsageError
from llmctl.recipe.shipped import shipped_recipes
from llmctl.registry import nearest

ENDINGS = (".yaml", ".yml")
_MOST_BYTES = 256 << 10


def find_recipe(name_or_path: str) -> Path:
    """The file of a recipe. A bare word is a shipped recipe's name first, then a file's.

    Raises:
        InputMissing: it is neither; the hint has the nearest name.
        UsageError: it is a folder.
    """
    shipped = shipped_recipes()
    if name_or_path in shipped:
        return _as_typed(shipped[name_or_path])
    path = Path(name_or_path).expanduser()
    if not name_or_path or not path.exists():
        looks_like_path = os.sep in name_or_path or name_or_path.endswith(ENDINGS)
        said = "does not exist" if looks_like_path else "is neither a file nor a shipped recipe"
        raise InputMissing(f"{name_or_path or 'a recipe'} {said}", hint=_near(path, shipped))
    if path.is_dir():
        inside = path / "recipe.yaml"
        raise UsageError(
            f"{path} is a folder; a recipe is a YAML file or the name of a shipped one",
            hint=f"did you mean {inside}?" if inside.is_file() else _near(path, shipped),
        )
    return path


def _near(path: Path, shipped: dict[str, Path]) -> str:
    """Something to type instead of a path that does not exist."""
    known = list(shipped)
    stem = path.name.removesuffix(".yaml").removesuffix(".yml")
    close = stem if stem in known else nearest(stem, known)
    if close is None and stem and path.parent.is_dir():
        beside = sorted(file.name for file in path.parent.iterdir() if file.suffix in ENDINGS)
        near_file = nearest(path.name, beside) or nearest(f"{path.name}.yaml", beside)
        close = str(path.parent / near_file) if near_file else None
    listing = "`llmctl recipe list` shows the shipped recipes"
    return f"did you mean {close!r}? {listing}" if close else listing


def _as_typed(path: Path) -> Path:
    """A path below the current folder is shown as a person would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def read_recipe_text(path: Path) -> str:
    """The text of a recipe file, without a byte order mark.

    Raises:
        RecipeError: it is too large, binary or not UTF-8.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    if b"\0" in content:
        raise _not_a_recipe(path, "is not a text file", str(path))
    if len(content) > _MOST_BYTES:
        raise _not_a_recipe(path, "is larger than 256 KiB; a recipe is a short text", str(path))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = f"is not UTF-8 text (byte {content[error.start]:#04x}); save it as UTF-8"
        raise _not_a_recipe(path, text, f"{path}:{line}") from None


def beginning_hint(path: Path) -> str:
    """What to type when a file is no recipe at all: perhaps it is the text to train on."""
    if path.suffix not in ENDINGS:
        return f"to train on it: llmctl pretrain gpt-tiny data.train={path} -o runs/first"
    return "`llmctl recipe list` shows the shipped recipes, `llmctl recipe copy NAME` copies one"


def _not_a_recipe(path: Path, text: str, where: str) -> RecipeError:
    return RecipeError(path, [Problem("file", text, where)], beginning_hint(path))
