"""`llmctl recipe list|show|copy|check|settings|schema`."""

from __future__ import annotations

import json as json_text
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json, Overrides

app = typer.Typer(
    help="Find, read, copy and check recipes; every setting with its meaning.",
    epilog="Example: llmctl recipe copy gpt-tiny mine.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Recipe = Annotated[str, typer.Argument(help="A recipe file, or a shipped recipe's name.")]
Command = Annotated[
    str | None,
    typer.Argument(help="The command whose recipes are meant; default: all.", show_default=False),
]


@app.command("list", epilog="Example: llmctl recipe list")
def list_(json: Json = False) -> None:
    """List the shipped recipes."""
    from llmctl import console
    from llmctl.pipelines.recipe import list_recipes

    rows = list_recipes()
    if json:
        console.result_json({"recipes": rows})
        return
    cells = [[row["name"], row["command"], row["title"]] for row in rows]
    console.result(console.table(["name", "command", "what"], cells))
    console.note("`llmctl recipe show NAME` prints one, `llmctl recipe copy NAME` makes it yours")


@app.command(epilog="Example: llmctl recipe show gpt-tiny --resolved")
def show(
    recipe: Recipe,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Check it, and fill in every default.")
    ] = False,
) -> None:
    """Print a recipe's YAML."""
    from llmctl import console
    from llmctl.pipelines.recipe import recipe_text

    console.result(recipe_text(recipe, resolved=resolved).rstrip("\n"))


@app.command(epilog="Example: llmctl recipe copy gpt-tiny mine.yaml")
def copy(
    recipe: Recipe,
    destination: Annotated[
        Path | None,
        typer.Argument(help="File or folder; default: here, by its name.", show_default=False),
    ] = None,
) -> None:
    """Copy a recipe, to change it. An existing file is never replaced.

    Paths inside a recipe are meant from the folder in which a command runs, not from the recipe's.
    """
    from llmctl import console
    from llmctl.pipelines.recipe import copy_recipe

    target = copy_recipe(recipe, destination)
    console.result(str(target))
    console.note(f"change it, then: llmctl recipe check {target}")


@app.command(epilog="Example: llmctl recipe check mine.yaml data.train=book.txt")
def check(recipe: Recipe, overrides: Overrides = None) -> None:
    """Check a recipe and name every problem in it, without running anything."""
    from llmctl import console
    from llmctl.pipelines.recipe import check_recipe

    checked = check_recipe(recipe, overrides or [])
    console.result(f"{recipe}: ok ({getattr(checked, 'command', 'recipe')})")


@app.command(
    epilog="Examples: llmctl recipe settings pretrain; llmctl recipe settings --filter warmup; "
    "llmctl recipe settings | grep -w learning_rate"
)
def settings(
    command: Command = None,
    filter_: Annotated[
        str, typer.Option("--filter", "-f", metavar="WORD", help="Only settings that mention it.")
    ] = "",
    json: Json = False,
) -> None:
    """List every setting of a recipe: its type, its default and its meaning.

    Write settings into a recipe, or as KEY.PATH=VALUE on the command line.
    """
    from llmctl import console
    from llmctl.pipelines.recipe import find_settings, settings_page

    found = find_settings(command, filter_)
    if json:
        rows = {name: [setting.to_json() for setting in some] for name, some in found.items()}
        console.result_json(rows)
    elif any(found.values()):
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        console.result(settings_page(found, width))
    else:
        console.note(f"no setting mentions {filter_!r}")


@app.command(epilog="Example: llmctl recipe schema > llmctl.schema.json")
def schema(command: Command = None) -> None:
    """Print the JSON Schema of recipes, by which an editor completes and checks them.

    Save it as llmctl.schema.json. Editors with the YAML language server (VS Code's YAML extension,
    Neovim, JetBrains) use it for a recipe whose first line is

    # yaml-language-server: $schema=llmctl.schema.json
    """
    from llmctl import console
    from llmctl.pipelines.recipe import schema_of

    console.result(json_text.dumps(schema_of(command), indent=2, ensure_ascii=False))
