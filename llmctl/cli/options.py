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
NumProcesses = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes to start here; default: one a GPU, else one.", show_default=False
    ),
]
FreshRun = Annotated[
    bool, typer.Option("--fresh", help="Begin again; an earlier run is renamed, not deleted.")
]
TrainingRecipe = Annotated[str, typer.Argument(help="A recipe file, or a shipped recipe's name.")]
