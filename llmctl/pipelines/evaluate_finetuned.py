"""Evaluation of finetuned models: their own task on labelled rows, by the task's own metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field

from llmctl import __version__, console
from llmctl.data.labelled_settings import LabelledData
from llmctl.data.read_report import ReadReport
from llmctl.errors import UsageError
from llmctl.evaluation.outcome import Metric, Outcome, finite_metric
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings
from llmctl.evaluation.settings import EvaluationSettings
from llmctl.metrics import METRICS
from llmctl.models.families import maximum_row
from llmctl.models.heads import wrap
from llmctl.pipelines.data_problems import settle_measured
from llmctl.pipelines.evaluation_model import describe_model, describe_tokenizer, dtype_name
from llmctl.pipelines.evaluation_tasks import EvaluationRequest, EvaluationTask
from llmctl.pipelines.finetuned_model import FinetunedFolder, open_finetuned
from llmctl.pipelines.fingerprints import fingerprint, fingerprint_sha256
from llmctl.pipelines.labelled_data import read_examples
from llmctl.pipelines.scoring import described
from llmctl.pipelines.task_answers import AnswerWriter
from llmctl.pipelines.task_pairs import task_examples
from llmctl.tasks.base import Arrays, Example, Feature
from llmctl.tasks.batches import make_batch
from llmctl.tokenization.load import vocabulary_of

LOSS = "loss"
_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384}


class FinetunedEvaluation(EvaluationSettings):
    """Tasks that a model was finetuned for."""

    max_new_tokens: int = Field(128, ge=1, description="Tokens of a written answer at most")


def evaluate_finetuned(request: EvaluationRequest) -> Outcome:
    """Answer labelled rows and score the answers.

    Raises:
        UsageError: there are no rows, or the model was finetuned for something else.
        InputMissing, DataError, NetworkError, SafetyError, SettingsMismatch: rows or model cannot
            be used.
    """
    settings = request.settings
    if not request.data:
        raise UsageError(
            f"{settings.task} is measured on rows with answers, and none are named",
            hint="--data FILE",
        )
    found = open_finetuned(
        request.model, settings.task, device=settings.device, dtype=settings.dtype
    )
    examples = _examples(request, found)
    answers, losses = _answers(found, examples, settings)
    measured = found.task.measure(examples, answers)
    vocabulary = vocabulary_of(found.tokenizer)
    files = fingerprint(list(request.data))
    sha256 = fingerprint_sha256(files, request.reading)
    numbers: list[Metric] = [
        number for one in measured for number in described(found.task.name, one)
    ]
    return Outcome(
        metrics=[*numbers, *losses],
        signature={
            "max_length": found.task.max_length,
            "dtype": dtype_name(found.model),
            "tokenizer": vocabulary.sha256[:8],
            "data": sha256[:8],
            "version": f"llmctl-{__version__}",
        },
        notes=[note for one in measured for note in one.notes],
        model=describe_model(
            found.model, request.model, found.folder, maximum_row(found.model.config.to_dict())
        ),
        tokenizer=describe_tokenizer(request.tokenizer or request.model, vocabulary),
        data={"sources": list(request.data), "sha256": sha256, "rows": len(examples)},
        resolved={"max_length": found.task.max_length},
        examples=task_examples(found.task, examples, answers, measured),
    )


def _examples(request: EvaluationRequest, found: FinetunedFolder) -> list[Example]:
    reading = request.reading
    rows = LabelledData(
        train=list(request.data), encoding=reading.encoding,
        max_bad_fraction=reading.max_bad_fraction,
    )  # fmt: skip
    report = ReadReport(bad_rows_file=request.bad_rows_file)
    examples = read_examples(found.task, rows.train, rows, report, split=request.split)
    return settle_measured(found.task, examples[: request.settings.limit])


def _answers(
    found: FinetunedFolder, examples: Sequence[Example], settings: FinetunedEvaluation
) -> tuple[list[dict[str, Any]], list[Metric]]:
    """What the model answers to every example, and its loss where it does not write."""
    if found.task.generates:
        writing = Seq2SeqGenerationSettings(max_new_tokens=settings.max_new_tokens)
        writer = AnswerWriter(found.task, found.model, found.head, found.tokenizer, writing)
        prompts = [writer.prompt(one, number) for number, one in enumerate(examples)]
        with console.progress("answering", len(examples), "rows") as bar:
            return writer.answers(examples, prompts, bar.advance), []
    encoded = found.task.encode(examples, found.tokenizer, labelled=True)
    budget = settings.batch_tokens or _BATCH_TOKENS.get(found.model.device.type, 2048)
    outputs, loss = _outputs(found, encoded.features, budget)
    answers = found.task.predictions(examples, encoded.features, outputs)
    metric = finite_metric(
        LOSS, loss, "nats/row", higher_is_better=False, null_reason="it is not finite"
    )
    return answers, [metric]


@torch.inference_mode()
def _outputs(
    found: FinetunedFolder, features: Sequence[Feature], batch_tokens: int
) -> tuple[list[Arrays], float]:
    """What the model says of each feature, and the loss; rows of like length go together."""
    model, task = wrap(found.model, found.head).eval(), found.task
    padding = task.padding(found.tokenizer)
    order = sorted(range(len(features)), key=lambda number: -len(features[number]))
    said: dict[int, Arrays] = {}
    sums = np.zeros((2, len(task.parts)))
    with console.progress("evaluating", len(features), "rows") as bar:
        while order:
            count = max(1, batch_tokens // max(1, len(features[order[0]])))
            numbers, order = order[:count], order[count:]
            batch = make_batch([features[n] for n in numbers], padding, task.fixed)
            tensors = {
                name: torch.from_numpy(array).to(found.model.device)
                for name, array in batch.arrays.items()
            }
            outputs = task.outputs(model, tensors)
            sums[0] += task.loss(outputs, tensors).double().cpu().numpy()
            sums[1] += batch.num_targets
            plain = {name: value.float().cpu().numpy() for name, value in outputs.items()}
            for place, number in enumerate(numbers):
                said[number] = {name: value[place] for name, value in plain.items()}
            bar.advance(len(numbers))
    losses = sums[0] / np.maximum(sums[1], 1)
    return [said[number] for number in range(len(features))], float(losses.sum())


def _names(_: EvaluationRequest) -> tuple[str, ...]:
    """Every number of the table of metrics, and those of tags by their scheme: which of them a
    task gives depends on its rows."""
    entries = (METRICS.get(name) for name in METRICS)
    found = [n.name for entry in entries for n in entry.numbers(entry.settings())]
    strict = [n.replace("seqeval_", "seqeval_strict_") for n in found if n.startswith("seqeval_")]
    return tuple(dict.fromkeys([*found, *strict, LOSS]))


FINETUNED_EVALUATION = EvaluationTask(
    metrics=_names, evaluate=evaluate_finetuned, settings=FinetunedEvaluation, yardsticks=()
)
