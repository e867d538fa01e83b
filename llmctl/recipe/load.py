"""A recipe file and `key.path=value` words → one checked value, or every problem at once.

Paths inside a recipe (`data.train: mybook.txt`) are meant from the current folder, as everywhere on
a command line, not from the folder of the recipe: a recipe that is copied still finds its data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, overload

from llmctl.errors import RecipeError
from llmctl.recipe.annotations import DISCRIMINATOR, only_value
from llmctl.recipe.check import check
from llmctl.recipe.draft import Draft
from llmctl.recipe.explain import choose_one
from llmctl.recipe.find import beginning_hint, find_recipe, read_recipe_text
from llmctl.recipe.overrides import OverrideError, apply_override, read_override
from llmctl.recipe.places import NOTHING
from llmctl.recipe.words import as_written, value_in_words
from llmctl.recipe.yaml_strict import dotted, parse_yaml
from llmctl.section import Section

FORMAT = 1
"""The version of the recipe format that this program writes (`schema: 1`)."""

R = TypeVar("R", bound=Section)


@overload
def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), recipe_class: None = None
) -> Section: ...
@overload
def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), *, recipe_class: type[R]
) -> R: ...
@overload
def load_recipe(name_or_path: str, overrides: Sequence[str], recipe_class: type[R]) -> R: ...
def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), recipe_class: type[Section] | None = None
) -> Section:
    """Read, complete and check a recipe; `bundled:NAME` is left as written (`resolve_bundled`).

    Args:
        name_or_path: a file, or the name of a shipped recipe.
        overrides: words such as `data.train=mybook.txt`; of two for one setting, the last counts.
        recipe_class: what the recipe must be; by default its `command` decides.

    Raises:
        InputMissing: there is no such file and no such shipped recipe.
        RecipeError: all problems, each with its dotted path and where it was written.
    """
    path = find_recipe(name_or_path)
    draft = _read(str(path), read_recipe_text(path))
    is_readable = bool(draft.data)
    _override(draft, overrides)
    if is_readable:
        _check_format(draft)
        recipe_class = _class_of(draft, recipe_class)
        recipe = _check(draft, recipe_class) if recipe_class else None
        if recipe is not None and not draft.problems:
            return recipe
    hint = _hint(draft, recipe_class) if is_readable else beginning_hint(path)
    raise RecipeError(draft.source, draft.sorted_problems(), hint)


def _hint(draft: Draft, recipe_class: type[Section] | None) -> str:
    """How to replace a section whose old settings clash with a new one; else where to look."""
    for path, value in draft.overridden.items():
        section, _, key = path.rpartition(".")
        clashes = [
            problem
            for _, problem in draft.problems
            if problem.path == section
            or (key == DISCRIMINATOR and problem.path.startswith(f"{section}."))
        ]
        if section and clashes:
            return f"to replace the whole section: '{section}={{{key}: {as_written(value)}}}'"
    words = ["llmctl recipe settings", *([command_of(recipe_class)] if recipe_class else [])]
    return f"`{' '.join(words)}` lists every setting with its meaning"


def command_of(recipe_class: type[Section]) -> str:
    """The command that a recipe class is for: the only value of its field `command`."""
    return str(only_value(recipe_class.model_fields["command"]))


def _read(source: str, text: str) -> Draft:
    """The file's data; without any when it is not a mapping, and then that is the problem."""
    parsed = parse_yaml(text)
    draft = Draft(source, lines=parsed.lines, texts=parsed.texts)
    for problem in parsed.problems:
        draft.complain_at_line(problem.path or "file", problem.text, problem.line)
    if isinstance(parsed.value, dict) and parsed.value:
        draft.data = parsed.value
    elif not parsed.problems:
        empty = parsed.value is None or parsed.value == {}
        found = "is empty" if empty else f"holds {value_in_words(parsed.value)}"
        draft.complain(("file",), f"{found}; a recipe begins with 'schema: {FORMAT}'")
    return draft


def _override(draft: Draft, words: Sequence[str]) -> None:
    for word in words:
        try:
            override = read_override(word)
            data = apply_override(draft.data, override)
        except OverrideError as error:
            draft.complain_of_word(error.path, str(error))
        else:
            draft.replace(dotted(override.keys), override.value, data, override.texts)


def _check_format(draft: Draft) -> None:
    """
    Raises:
        RecipeError: the recipe is of a later format, of which nothing more can be said.
    """
    version = draft.data.pop("schema", NOTHING)
    if version is NOTHING:
        draft.complain(("schema",), f"required: write 'schema: {FORMAT}' on top of the file")
    elif not isinstance(version, int) or isinstance(version, bool) or version < 1:
        draft.complain(("schema",), f"expected {FORMAT}; found {value_in_words(version)}")
    elif version > FORMAT:
        draft.problems.clear()
        draft.complain(("schema",), f"is {version}; this llmctl reads recipes up to {FORMAT}")
        upgrade = "upgrade: pip install --upgrade llmctl"
        raise RecipeError(draft.source, draft.sorted_problems(), hint=upgrade)


def _class_of(draft: Draft, wanted: type[Section] | None) -> type[Section] | None:
    """The class that the recipe's `command` names; `wanted` where that is what it must be."""
    from llmctl.recipe.schema import RECIPES

    command = draft.data.pop("command", NOTHING)
    known = [command_of(wanted)] if wanted else RECIPES.names()
    if isinstance(command, str) and command in known:
        return wanted or RECIPES.get(command)
    if wanted and isinstance(command, str) and command in RECIPES:
        draft.complain(("command",), f"is {command!r}; a {known[0]} recipe is needed here")
        return None
    draft.complain(("command",), choose_one(known, command))
    return wanted


def _check(draft: Draft, recipe_class: type[Section]) -> Section | None:
    recipe, mistakes = check(recipe_class, draft.data, draft.texts)
    for mistake in mistakes:
        draft.complain(mistake.keys, mistake.text)
    return recipe
