"""`llmctl checkpoint list|verify|prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmctl import console
from llmctl.cli.options import Json

if TYPE_CHECKING:
    from llmctl.pipelines.stored_checkpoints import Stored

app = typer.Typer(
    help="List, verify and prune a run's stored checkpoints.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: llmctl checkpoint verify runs/a",
)
Run = Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]


@app.command("list", epilog="Example: llmctl checkpoint list runs/a")
def list_(run: Run, json: Json = False) -> None:
    """Every stored checkpoint with its size, validation loss and what points at it."""
    from llmctl.pipelines.stored_checkpoints import list_stored

    _show(list_stored(run), json=json)


@app.command(epilog="Example: llmctl checkpoint verify runs/a")
def verify(run: Run, json: Json = False) -> None:
    """Read every byte and compare hashes; exit 65 when some are damaged, 76 when all are."""
    from llmctl.pipelines.stored_checkpoints import verdict, verify_stored

    stored = verify_stored(run)
    _show(stored, json=json, verified=True)
    failure = verdict(run, stored)
    if failure is not None:
        raise failure


@app.command(epilog="Example: llmctl checkpoint prune runs/a --keep 2 --dry-run")
def prune(
    run: Run,
    keep: Annotated[int, typer.Option(min=2, help="Latest good checkpoints to keep.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Delete older checkpoints; the best, the last and two good ones always stay."""
    from llmctl.pipelines.stored_checkpoints import prune_stored

    gone = prune_stored(run, keep, dry_run=dry_run)
    if json:
        console.result_json([found.to_json() for found in gone])
        return
    freed = sum(found.bytes for found in gone) / 1e6
    verb = "would be deleted" if dry_run else "deleted"
    steps = ", ".join(f"{found.checkpoint.step:,}" for found in gone)
    console.result(f"{len(gone)} {verb} ({freed:,.1f} MB)" + (f": steps {steps}" if gone else ""))


def _show(stored: list[Stored], *, json: bool, verified: bool = False) -> None:
    if json:
        console.result_json([found.to_json() for found in stored])
        return
    rows: list[list[object]] = [
        [
            found.checkpoint.step,
            f"{found.bytes / 1e6:,.1f} MB",
            "-" if found.validation_loss is None else f"{found.validation_loss:.4f}",
            ", ".join(found.marks),
            *([found.problem or "good"] if verified else []),
        ]
        for found in stored
    ]
    columns = ["step", "size", "validation loss", "", *(["content"] if verified else [])]
    console.result(console.table(columns, rows))
