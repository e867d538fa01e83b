"""`llmctl pretrain`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmctl.cli.options import Json, OutputFolder, Overrides, Quiet

EPILOG = "Example: llmctl pretrain gpt-tiny data.train=mybook.txt -o runs/a"


def pretrain(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or a shipped recipe's name.")],
    output: OutputFolder,
    overrides: Overrides = None,
    num_processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes to start here; default: one a GPU, else one.", show_default=False
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin again; an earlier run is renamed, not deleted.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pretrain a language model, from scratch or from a checkpoint.

    Repeating the same command resumes a run that was stopped or killed, and says so when it is
    finished. `llmctl recipe settings pretrain` lists every setting.
    """
    from llmctl import console
    from llmctl.pipelines.start import start_pretraining

    console.configure(quiet=quiet)
    words = [*(["--json"] if json else []), *(["--quiet"] if quiet else [])]
    outcome = start_pretraining(
        recipe, overrides or [], output, num_processes=num_processes, fresh=fresh, words=words
    )
    if isinstance(outcome, int):
        raise typer.Exit(outcome)
    if json:
        console.result_json(outcome.results)
    else:
        console.result(outcome.summary())
