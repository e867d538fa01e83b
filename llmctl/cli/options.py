"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)
]
OptionalOutputFolder = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder to write.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only results, warnings and errors.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY.PATH=VALUE]...", help="Settings that replace the recipe's."),
]
