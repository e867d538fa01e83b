"""`llmctl predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json, Quiet

EPILOG = 'Example: llmctl predict runs/a --prompt "Once upon a time" --temperature 0.8'


Model = Annotated[str, typer.Argument(help="Run folder, Hugging Face folder or Hub name.")]
Input = Annotated[
    str | None,
    typer.Argument(
        metavar="[INPUT]",
        help="Rows (.jsonl, .csv ...), a .txt with one prompt a line, or - for stdin.",
        show_default=False,
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="generation, fill-mask, text-classification ...; default: what the model was made "
        "for.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="A .jsonl file to write; default: stdout.", show_default=False
    ),
]
Prompt = Annotated[
    str | None, typer.Option(help="One prompt or text, instead of INPUT.", show_default=False)
]
Column = Annotated[
    str | None, typer.Option(help="Column to read; default: prompt, for fill-mask text.")
]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="Tokens to generate at most; default: 64, if they fit.")
]
Temperature = Annotated[
    float | None,
    typer.Option(help="0: the likeliest token each time (default); 1: drawn as the model says."),
]
TopK = Annotated[
    int | None,
    typer.Option(
        help="generation: draw from so many likeliest tokens; fill-mask: candidates, default 5."
    ),
]
TopP = Annotated[
    float | None, typer.Option(help="Draw from the likeliest that hold this probability.")
]
Beams = Annotated[int | None, typer.Option(help="Beams to search with; default: 1.")]
Seed = Annotated[int | None, typer.Option(help="Chooses what is drawn; default: 0.")]
Stop = Annotated[list[str] | None, typer.Option(help="A word that ends the text; may be repeated.")]
Truncate = Annotated[
    bool, typer.Option("--truncate", help="Cut prompts that are too long from the left.")
]
BatchSize = Annotated[int | None, typer.Option(help="Rows at a time; default: 16.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")]
Encoding = Annotated[str, typer.Option(help="Encoding of text files.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start the file given with -o over.")]


def predict(
    model: Model,
    input_file: Input = None,
    task: Task = None,
    output: Output = None,
    prompt: Prompt = None,
    column: Column = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    beams: Beams = None,
    seed: Seed = None,
    stop: Stop = None,
    truncate: Truncate = False,
    batch_size: BatchSize = None,
    device: Device = None,
    dtype: Dtype = None,
    encoding: Encoding = "utf-8",
    fresh: Fresh = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a model continue prompts, or fill the masks of texts: one or a file of them.

    Each row of the output is a row of the input with `prediction`, or with `error`, and more:
    `finish_reason` (stop, eos or length) and counts of tokens; or `candidates`, for each mask a
    list of tokens with their probabilities. With -o the same command goes on where it was stopped.
    """
    from llmctl import console
    from llmctl.pipelines.predict import predict as run
    from llmctl.pipelines.predict import request_from_words, summary

    console.configure(quiet=quiet)
    request = request_from_words(
        model, task, input_file, prompt=prompt, output=output, column=column, encoding=encoding,
        fresh=fresh, json=json,
        settings={
            "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k,
            "top_p": top_p, "beams": beams, "seed": seed, "stop": stop or None,
            "truncate": truncate or None, "batch_size": batch_size, "device": device,
            "dtype": dtype,
        },
    )  # fmt: skip
    found = run(request)
    if json and output is not None:
        console.result_json(found)
    elif prompt is None or output is not None:
        console.note(summary(found))
