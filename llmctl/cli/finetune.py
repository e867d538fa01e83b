"""`llmctl finetune`."""

from __future__ import annotations

from typing import Annotated

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

EPILOG = "Example: llmctl finetune sentiment-tiny data.train=reviews.csv -o runs/reviews"


def finetune(
    recipe: TrainingRecipe,
    output: OutputFolder,
    overrides: Overrides = None,
    num_processes: NumProcesses = None,
    fresh: FreshRun = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs, each with the next seed; their mean and deviation is shown.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Finetune a pretrained model on rows with answers, for one task.

    Repeating the same command resumes a run that was stopped or killed, and says so when it is
    finished. `llmctl recipe settings finetune` lists every setting.
    """
    from llmctl import console
    from llmctl.pipelines.start import start_training

    console.configure(quiet=quiet)
    words = [*(["--json"] if json else []), *(["--quiet"] if quiet else [])]
    words += [] if seeds is None else ["--seeds", str(seeds)]
    outcome = start_training(
        "finetune",
        recipe,
        overrides or [],
        output,
        num_processes=num_processes,
        fresh=fresh,
        words=words,
        seeds=seeds,
    )
    if isinstance(outcome, int):
        raise typer.Exit(outcome)
    if json:
        console.result_json(outcome.results)
    else:
        console.result(outcome.summary())
