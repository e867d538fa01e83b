"""`llmctl compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json, Quiet

EPILOG = "Example: llmctl compare reports/main reports/mine --metric bleu"

Result = Annotated[Path, typer.Argument(help="A results.json, or its folder.", show_default=False)]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="A number to compare; may be repeated; default: all they share."),
]


def compare(
    first: Result, second: Result, metric: Metrics = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Show what changed between two results of eval or score, and whether it may be chance.

    Differences are second minus first, with 95 % intervals and two-sided p-values from the paired
    examples, each number by itself. Exit code 4: the results were made in other ways.
    """
    from llmctl import console
    from llmctl.pipelines import compare as pipeline

    console.configure(quiet=quiet)
    found = pipeline.compare(first, second, metric or [])
    if json:
        console.result_json(found.as_json())
    else:
        console.result(pipeline.table_text(found))
