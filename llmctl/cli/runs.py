"""`llmctl runs list` and `llmctl runs show`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json

app = typer.Typer(
    help="Look at run folders.",
    epilog="Example: llmctl runs list; llmctl runs show runs/a",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog="Example: llmctl runs list runs")
def list_runs(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where to look; default: runs, else this folder.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List the runs in a folder, the one that was last at work first."""
    from llmctl import console
    from llmctl.pipelines.run_summary import find_runs
    from llmctl.pipelines.runs import runs_table

    place = folder or (Path("runs") if Path("runs").is_dir() else Path())
    runs = find_runs(place)
    if json:
        console.result_json({"runs": [run.as_json() for run in runs]})
    elif runs:
        console.result(runs_table(runs))
    else:
        console.note(f"no runs in {place}; begin one: llmctl pretrain gpt-tiny -o runs/first")


@app.command("show", epilog="Example: llmctl runs show runs/a")
def show_run(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    json: Json = False,
) -> None:
    """Show one run: how far it came, how well it did, with what, and what to type next."""
    from llmctl import console
    from llmctl.pipelines.run_summary import read_run
    from llmctl.pipelines.runs import next_command, run_text

    found = read_run(run)
    if json:
        console.result_json(
            {
                **found.as_json(), "next": next_command(found), "record": found.record,
                "results": found.results, "losses": found.losses, "validations": found.validations,
            }
        )  # fmt: skip
        return
    console.result(run_text(found, curves=sys.stdout.isatty()))
