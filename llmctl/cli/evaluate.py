"""`llmctl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json, OptionalOutputFolder, Quiet

EPILOG = "Example: llmctl eval runs/a --data test.txt --gate 'perplexity<=40' -o reports/a"


def evaluate(
    model: Annotated[str, typer.Argument(help="Run folder, Hugging Face folder or Hub name.")],
    more_data: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="[FILE]...")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="Text: files, folders, globs, -, prepared or packed folders, data set names.",
            show_default=False,
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(help="A condition such as 'perplexity<=40'; may be repeated."),
    ] = None,
    output: OptionalOutputFolder = None,
    task: Annotated[str, typer.Option(help="What to measure.")] = "perplexity",
    window: Annotated[
        str,
        typer.Option(help="rolling: each document by itself; strided: all of them in one stream."),
    ] = "rolling",
    context: Annotated[
        int, typer.Option(min=0, help="rolling: earlier tokens that each window sees again.")
    ] = 0,
    stride: Annotated[
        int | None, typer.Option(min=1, help="strided: tokens from one window to the next.")
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(min=2, help="Tokens of a window; default: the model's positions, up to 2048."),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Token before each document: auto, bos, eos or none.")
    ] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Documents to read at most.")] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens in a batch.")] = 8192,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16, float16, or auto: by device.")
    ] = "float32",
    tokenizer: Annotated[
        str | None, typer.Option(help="Default: the model's own.", show_default=False)
    ] = None,
    yardstick_counts: Annotated[
        Path | None,
        typer.Option(help="Packed training data, or its counts.npy, for the unigram guess."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="The part to read of prepared folders and data sets.")
    ] = "validation",
    text_column: Annotated[
        str | None, typer.Option(help="Column of text in tables; default: text, or the only one.")
    ] = None,
    text_unit: Annotated[
        str, typer.Option(help="A document of a .txt file: auto, file, paragraph or line.")
    ] = "auto",
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    max_bad: Annotated[float, typer.Option(min=0, max=1, help="Share of rows that may be bad.")] = (
        0.001
    ),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on text, and let a build pass or fail on the result.

    Without --data, a run is measured on its own validation data. Exit code 3: a gate failed; 4:
    none failed, but one could not be decided.
    """
    from llmctl import console

    console.configure(quiet=quiet)
    _check_more_data(data, more_data)
    from llmctl.evaluation.reports import table_text
    from llmctl.pipelines.evaluate import evaluate as run
    from llmctl.pipelines.evaluate import request_from_words

    request = request_from_words(
        model, [*(data or []), *(more_data or [])], output=output, split=split,
        tokenizer=tokenizer, yardstick_counts=yardstick_counts,
        settings={
            "task": task, "window": window, "context": context, "stride": stride,
            "max_length": max_length, "prefix": prefix, "limit": limit,
            "batch_tokens": batch_tokens, "device": device, "dtype": dtype,
        },
        reading={
            "text_column": text_column, "text_unit": text_unit, "encoding": encoding,
            "max_bad_fraction": max_bad,
        },
    )  # fmt: skip
    result = run(request, gate or [], output)
    if json:
        console.result_json(result.as_json())
    else:
        console.result(table_text(result))
    if output is not None:
        console.note(f"reports: {output / 'report.md'}, results.json, junit.xml")
    if result.error is not None:
        raise result.error


def _check_more_data(data: list[str] | None, more_data: list[str] | None) -> None:
    """`--data *.txt` leaves all files but the first without an option: they are taken too."""
    if more_data and not data:
        from llmctl.errors import UsageError

        raise UsageError(
            f"{more_data[0]!r} is not an option's value; text to measure on goes after --data",
            hint=f"--data {more_data[0]}",
        )
