"""`llmctl pretrain`."""

from __future__ import annotations

import typer

from llmctl.cli.options import (
    FreshRun,
    Json,
    NumProcesses,
    OutputFolder,
    Overrides,
    Quiet,
    TrainingRecipe,
)

EPILOG = "Example: llmctl pretrain gpt-tiny data.train=mybook.txt -o runs/a"


def pretrain(
    recipe: TrainingRecipe,
    output: OutputFolder,
    overrides: Overrides = None,
    num_processes: NumProcesses = None,
    fresh: FreshRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pretrain a language model, from scratch or from a checkpoint.

    Repeating the same command resumes a run that was stopped or killed, and says so when it is
    finished. `llmctl recipe settings pretrain` lists every setting.
    """
    from llmctl import console
    from llmctl.pipelines.start import start_training

    console.configure(quiet=quiet)
    words = [*(["--json"] if json else []), *(["--quiet"] if quiet else [])]
    outcome = start_training(
        "pretrain",
        recipe,
        overrides or [],
        output,
        num_processes=num_processes,
        fresh=fresh,
        words=words,
    )
    if isinstance(outcome, int):
        raise typer.Exit(outcome)
    if json:
        console.result_json(outcome.results)
    else:
        console.result(outcome.summary())
