"""`llmctl export`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmctl.cli.options import Json, OutputFolder, Quiet

EPILOG = "Example: llmctl export runs/reviews --merge --dtype bfloat16 -o reviews-model"


def export(
    model: Annotated[str, typer.Argument(help="Run folder, model folder or Hub name.")],
    output: OutputFolder,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge the model's adapter (LoRA) into its base.")
    ] = False,
    dtype: Annotated[
        str | None,
        typer.Option(help="float32, bfloat16 or float16; default: as stored.", show_default=False),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as one plain Hugging Face folder, with tokenizer, task and model card.

    The folder is loaded in a fresh process before it gets its name.
    """
    from llmctl import console
    from llmctl.pipelines.export_model import export as run

    console.configure(quiet=quiet)
    exported = run(model, output, merge=merge, dtype=dtype)
    if json:
        console.result_json(exported.as_json())
    else:
        console.result(exported.summary())
