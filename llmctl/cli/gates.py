"""Options that say what a build passes or fails on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Gates = Annotated[
    list[str] | None, typer.Option(help="A condition such as 'bleu>=30'; may be repeated.")
]
GatesFile = Annotated[
    str | None,
    typer.Option(
        "--gates", help="A recipe file (command: gates) of such conditions.", show_default=False
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        help="An earlier result, a results.json or its folder, for --max-drop.",
        show_default=False,
    ),
]
MaxDrop = Annotated[
    list[str] | None,
    typer.Option(
        help="How much worse than the baseline a number may be: bleu=0.5, or bleu=2%; may be "
        "repeated."
    ),
]
Significant = Annotated[
    float | None,
    typer.Option(
        help="Fail on a drop only if it is beyond chance, tested on the paired examples at this "
        "level, such as 0.05.",
        show_default=False,
    ),
]
UpdateBaseline = Annotated[
    bool,
    typer.Option(
        "--update-baseline", help="Write this result to --baseline, if every gate passed."
    ),
]
