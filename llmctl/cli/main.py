"""The `llmctl` command: its table of commands and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from llmctl import __version__, console
from llmctl.cli import (
    checkpoint,
    compare,
    data,
    doctor,
    evaluate,
    export,
    finetune,
    predict,
    pretrain,
    recipe,
    runs,
    score,
    tokenizer,
)
from llmctl.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, LlmctlError

app = typer.Typer(
    name="llmctl",
    help="From raw text to a pretrained and judged language model.",
    epilog="First steps: llmctl recipe list; llmctl pretrain gpt-tiny -o runs/first",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich help costs 0.15 s at every start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        console.result(f"llmctl {__version__}")
        raise typer.Exit(EXIT_DONE)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


# The table of commands. Each module imports only typer and the standard library.
app.command(epilog=pretrain.EPILOG)(pretrain.pretrain)
app.command(epilog=finetune.EPILOG)(finetune.finetune)
app.command("eval", epilog=evaluate.EPILOG)(evaluate.evaluate)
app.command(epilog=score.EPILOG)(score.score)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command(epilog=predict.EPILOG)(predict.predict)
app.add_typer(data.app, name="data")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(recipe.app, name="recipe")
app.add_typer(runs.app, name="runs")
app.add_typer(checkpoint.app, name="checkpoint")
app.command(epilog=export.EPILOG)(export.export)
app.add_typer(doctor.app, name="doctor")


def main(arguments: list[str] | None = None) -> None:
    """Run one command line and leave with the exit code of the design (`llmctl.errors`)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code is returned, so tests can call it in process."""
    code, message = EXIT_BUG, "a bug; its traceback is above"
    try:
        code, message = _run(arguments)
    finally:
        if "LLMCTL_REPORT_FOLDER" in os.environ:  # one of several processes: tell the launcher
            from llmctl.training.launch import report_exit

            report_exit(code, message)
    return code


def _run(arguments: list[str]) -> tuple[int, str]:
    try:
        app(args=arguments, prog_name="llmctl")
    except SystemExit as leaving:
        if isinstance(leaving.__context__, typer.Abort | KeyboardInterrupt):
            return EXIT_INTERRUPTED, "interrupted"
        return (leaving.code if isinstance(leaving.code, int) else EXIT_BUG), ""
    except LlmctlError as failure:
        if os.environ.get("LLMCTL_DEBUG"):
            raise
        console.error(failure)
        return failure.exit_code, failure.message
    return EXIT_DONE, ""
