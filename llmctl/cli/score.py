"""`llmctl score`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmctl.cli.data import Encoding
from llmctl.cli.gates import (
    Baseline,
    Gates,
    GatesFile,
    MaxDrop,
    Significant,
    UpdateBaseline,
)
from llmctl.cli.options import Json, OptionalOutputFolder, Quiet

EPILOG = (
    "Example: llmctl score preds.jsonl --metric bleu --metric chrf --language zh "
    "--gate 'bleu>=30' -o reports/a"
)

Predictions = Annotated[
    str,
    typer.Argument(
        help="Rows (.jsonl ...) with a column `prediction`, as llmctl predict writes them, or a "
        "text file with one a line."
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option(
        help="A file with the reference of each prediction, line by line; repeated: several "
        "references each. Default: the column references, or reference.",
        show_default=False,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="A metric such as bleu, rouge, classification, seqeval, squad, or one number of it "
        "such as rouge_l; or the path of an evaluate module; may be repeated.",
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="A metric's setting: bleu.lowercase=true; may be repeated.",
        show_default=False,
    ),
]  # fmt: skip
Language = Annotated[
    str | None,
    typer.Option(help="Language of the texts, such as zh; default: by the references' letters."),
]
PredictionColumn = Annotated[str, typer.Option(help="Column of the predictions.")]
ReferenceColumn = Annotated[
    str | None, typer.Option(help="Column of the references, such as answers.text.")
]


def score(
    predictions: Predictions, references: References = None, metric: Metrics = None,
    option: Options = None, language: Language = None, gate: Gates = None,
    gates: GatesFile = None,
    baseline: Baseline = None, max_drop: MaxDrop = None, significant: Significant = None,
    update_baseline: UpdateBaseline = False, output: OptionalOutputFolder = None,
    prediction_column: PredictionColumn = "prediction", reference_column: ReferenceColumn = None,
    encoding: Encoding = "utf-8", json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Score saved predictions, without a model, and let a build pass or fail on the result.

    Exit code 3: a gate failed; 4: none failed, but one could not be decided.
    """
    from llmctl import console
    from llmctl.pipelines import score as pipeline
    from llmctl.pipelines.judging import GateWords, with_recipe
    from llmctl.pipelines.reports_folder import end
    from llmctl.pipelines.score_rows import Columns

    console.configure(quiet=quiet)
    words = GateWords(
        tuple(gate or ()), baseline, tuple(max_drop or ()), significant, update_baseline
    )
    request = pipeline.ScoreRequest(
        predictions=predictions,
        references=references or [],
        metrics=metric or [],
        options=option or [],
        language=language,
        columns=Columns(prediction_column, reference_column),
        encoding=encoding,
        gates=with_recipe(words, gates),
    )
    result, judge = pipeline.score(request, output)
    end(result, judge, output, json=json)
    if result.error is not None:
        raise result.error
