"""What `llmctl recipe` shows: shipped recipes, their text, and every setting with its meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.bundled import BUNDLED, bundled_data
from llmctl.errors import UsageError
from llmctl.pipelines.recipe_folders import check_folders
from llmctl.recipe.describe import Setting, describe
from llmctl.recipe.find import ENDINGS, find_recipe, read_recipe_text
from llmctl.recipe.json_schema import json_schema
from llmctl.recipe.load import load_recipe
from llmctl.recipe.render import render_recipe
from llmctl.recipe.schema import RECIPES
from llmctl.recipe.shipped import shipped_recipes
from llmctl.recipe.yaml_strict import parse_yaml
from llmctl.section import Section


def list_recipes() -> list[dict[str, Any]]:
    """Name, command, title and path of every shipped recipe."""
    rows = []
    for name, path in shipped_recipes().items():
        content = parse_yaml(read_recipe_text(path)).value
        head = content if isinstance(content, dict) else {}
        row = {"name": name, "command": head.get("command"), "title": head.get("title")}
        rows.append({**row, "path": str(path)})
    return rows


def recipe_text(name_or_path: str, *, resolved: bool) -> str:
    """A recipe as its author wrote it, or checked and with every default filled in."""
    if resolved:
        return render_recipe(load_recipe(name_or_path), with_defaults=True)
    return read_recipe_text(find_recipe(name_or_path))


def copy_recipe(name_or_path: str, destination: Path | None) -> Path:
    """Copy a recipe to a file or into a folder; by default into the current folder.

    Raises:
        UsageError: the file is there already.
    """
    source = find_recipe(name_or_path)
    target = destination or Path(source.name)
    if target.is_dir():
        target = target / source.name
    elif target.suffix not in ENDINGS:
        target = target.with_name(f"{target.name}.yaml")
    if target.exists() or target.is_symlink():
        other = target.with_name(f"{target.stem}-2{target.suffix}")
        raise UsageError(
            f"{target} exists already; nothing was copied",
            hint=f"choose another name: llmctl recipe copy {name_or_path} {other}",
        )
    files.write_text(target, read_recipe_text(source))
    return target


def check_recipe(name_or_path: str, overrides: Sequence[str]) -> Section:
    """Load a recipe, find the bundled data that it names, and look into its folders."""
    recipe = load_recipe(name_or_path, overrides)
    check_folders(recipe)
    for text in _texts(recipe.model_dump()):
        if text.startswith(BUNDLED):
            bundled_data(text.removeprefix(BUNDLED))
    return recipe


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def recipe_classes(command: str | None) -> dict[str, type[Section]]:
    """The recipe class of one command, or those of all."""
    names = [command] if command else RECIPES.names()
    return {name: RECIPES.get(name) for name in names}


def find_settings(command: str | None, word: str) -> dict[str, list[Setting]]:
    """Settings by command; with a word, those that have it in their path, type or meaning."""
    word = word.casefold()
    return {
        name: [
            setting
            for setting in describe(recipe_class)
            if word in f"{setting.path} {setting.type} {setting.description}".casefold()
        ]
        for name, recipe_class in recipe_classes(command).items()
    }


def settings_page(found: Mapping[str, Sequence[Setting]], width: int | None) -> str:
    """Settings for a person: a table with a line each, or blocks that fit a terminal's width."""
    pages = []
    for command, settings in found.items():
        title = [f"settings of {command}"] if len(found) > 1 and settings else []
        if width is not None:
            pages += [*title, *(_block(setting, width) for setting in settings)]
        elif settings:
            rows = [
                [s.path, s.type, s.default_text, ", ".join(s.only_for), s.description]
                for s in settings
            ]
            columns = ["setting", "type", "default", "only for", "meaning"]
            pages += [*title, console.table(columns, rows)]
    return "\n".join(pages)


def _block(setting: Setting, width: int) -> str:
    only_for = f"; only for {', '.join(setting.only_for)}" if setting.only_for else ""
    state = "required" if setting.required else f"default {setting.default_text or 'empty'}"
    head = f"{setting.path}  ({setting.type}; {state}{only_for})"
    lines = textwrap.wrap(head, width, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join([*lines, *textwrap.wrap(
        setting.description, width, initial_indent="    ", subsequent_indent="    ",
        break_on_hyphens=False, break_long_words=False,
    )])  # fmt: skip


def schema_of(command: str | None) -> dict[str, Any]:
    return json_schema(recipe_classes(command))
