"""`llmctl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.data import Encoding, MaxBad, TextColumn, TextUnit
from llmctl.cli.gates import (
    Baseline,
    Gates,
    GatesFile,
    MaxDrop,
    Significant,
    UpdateBaseline,
)
from llmctl.cli.options import Json, OptionalOutputFolder, Quiet

EPILOG = "Example: llmctl eval runs/a --data test.txt --gate 'perplexity<=40' -o reports/a"

Model = Annotated[str, typer.Argument(help="Run folder, Hugging Face folder or Hub name.")]
MoreData = Annotated[list[str] | None, typer.Argument(hidden=True, metavar="FILE")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        help="Text: files, folders, globs, -, prepared or packed folders, data set names.",
        show_default=False,
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="What to measure: perplexity (causal models); masked-lm, pseudo-perplexity (models "
        "that fill masks); seq2seq-perplexity (of targets, given sources); objective (what a run "
        "was pretrained for); next-sentence, sentence-order, replaced-token (one part of it); what "
        "a model was finetuned for, such as text-classification. Default: what fits the model."
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        help="rolling (default): each document by itself; strided: all of them in one stream."
    ),
]
Context = Annotated[
    int | None,
    typer.Option(min=0, help="rolling: earlier tokens that each window sees again; default: 0."),
]
Stride = Annotated[
    int | None,
    typer.Option(min=1, help="strided: tokens from one window to the next; default: half of it."),
]
MaxLength = Annotated[
    int | None,
    typer.Option(min=2, help="Tokens of a window; default: the model's positions, up to 2048."),
]
Prefix = Annotated[
    str | None,
    typer.Option(help="Token before each document: bos, eos or none; default: auto."),
]
Objective = Annotated[
    str | None,
    typer.Option(help="objective: the one to measure; default: what the run's recipe says."),
]
Variant = Annotated[
    str | None,
    typer.Option(
        help="pseudo-perplexity: word-l2r (default), which also hides the rest of a token's word, "
        "or original."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Documents to read at most.")]
BatchTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Tokens in a batch; default: 2048 on a CPU, 16384 on a GPU."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
DType = Annotated[str, typer.Option(help="float32, bfloat16, float16, or auto: by device.")]
Tokenizer = Annotated[
    str | None, typer.Option(help="Default: the model's own.", show_default=False)
]
Yardsticks = Annotated[
    list[str] | None,
    typer.Option(
        help="Guesser to hold the model against: uniform, unigram (default: both), ngram; "
        "may be repeated."
    ),
]
YardstickData = Annotated[
    Path | None,
    typer.Option(
        "--yardstick-data", "--yardstick-counts",
        help="Packed data that guessers learn from (unigram: also its counts.npy); default: the "
        "run's training data.", show_default=False,
    ),
]  # fmt: skip
PartColumns = Annotated[
    str | None,
    typer.Option(
        help="Columns of texts that belong together: SOURCE,TARGET, such as "
        "translation.en,translation.zh; seq2seq-perplexity: source,target."
    ),
]
SourcePrefix = Annotated[
    str | None, typer.Option(help="Put before each source, such as 'summarize: '.")
]
Split = Annotated[str, typer.Option(help="The part to read of prepared folders and data sets.")]


def evaluate(
    model: Model, more_data: MoreData = None, data: Data = None, gate: Gates = None,
    gates: GatesFile = None,
    baseline: Baseline = None, max_drop: MaxDrop = None, significant: Significant = None,
    update_baseline: UpdateBaseline = False,
    output: OptionalOutputFolder = None, task: Task = None, window: Window = None,
    context: Context = None, stride: Stride = None, max_length: MaxLength = None,
    prefix: Prefix = None, variant: Variant = None,
    objective: Objective = None, limit: Limit = None,
    batch_tokens: BatchTokens = None, device: Device = "auto", dtype: DType = "float32",
    tokenizer: Tokenizer = None, yardstick: Yardsticks = None,
    yardstick_data: YardstickData = None, split: Split = "validation",
    text_column: TextColumn = None, part_columns: PartColumns = None,
    source_prefix: SourcePrefix = None, text_unit: TextUnit = "auto", encoding: Encoding = "utf-8",
    max_bad: MaxBad = 0.001, json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Measure a model on text, and let a build pass or fail on the result.

    Without --data, a run is measured on its own validation data. Exit code 3: a gate failed; 4:
    none failed, but one could not be decided.
    """
    from llmctl import console
    from llmctl.pipelines import evaluate as pipeline
    from llmctl.pipelines.judging import GateWords, with_recipe
    from llmctl.pipelines.reports_folder import end

    console.configure(quiet=quiet)
    request = pipeline.request_from_words(
        model, data or [], more_data or [], output=output, split=split, tokenizer=tokenizer,
        yardstick_data=yardstick_data,
        reading={
            "text_column": text_column, "text_unit": text_unit, "encoding": encoding,
            "max_bad_fraction": max_bad, "prefix": source_prefix,
            "part_columns": part_columns.split(",") if part_columns else None,
        },
        settings={
            "task": task, "window": window, "context": context, "stride": stride,
            "max_length": max_length, "prefix": prefix, "variant": variant,
            "objective": objective, "limit": limit,
            "batch_tokens": batch_tokens, "device": device, "dtype": dtype,
            "yardstick": yardstick or None,
        },
    )  # fmt: skip
    words = GateWords(
        tuple(gate or ()), baseline, tuple(max_drop or ()), significant, update_baseline
    )
    result, judge = pipeline.evaluate(request, with_recipe(words, gates), output)
    end(result, judge, output, json=json)
    if result.error is not None:
        raise result.error
