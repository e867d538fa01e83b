"""Prediction by a model that was finetuned to write its answers: texts for rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from llmctl.evaluation.generation import Prompt
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings
from llmctl.models.load import choose_device, choose_dtype
from llmctl.pipelines.finetuned_model import open_finetuned
from llmctl.pipelines.predict_finetuned import reading_of
from llmctl.pipelines.predict_tasks import (
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
)
from llmctl.pipelines.task_answers import AnswerWriter
from llmctl.tasks.base import Example, RowRefused, Task


class WritingSettings(Seq2SeqGenerationSettings):
    """Options of prediction by a model that writes."""

    batch_size: int = Field(16, gt=0, description="Rows at a time")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")
    dtype: str = Field("auto", description="auto, float32, bfloat16 or float16")


@dataclass(frozen=True)
class Asked:
    """A row as the task understands it, and what the model reads of it."""

    example: Example
    prompt: Prompt


class Writer:
    """A finetuned model ready to write answers to rows."""

    def __init__(self, task: Task, writer: AnswerWriter, batch_size: int) -> None:
        self.task, self.batch_size = task, batch_size
        self._writer = writer

    def prepare(self, row: InputRow) -> Asked:
        """
        Raises:
            BadInput: the task cannot use the row.
        """
        try:
            content = self.task.example(row.columns, labelled=False)
        except RowRefused as refused:
            raise BadInput(str(refused)) from None
        example = Example("", row.number, row.columns, content)
        return Asked(example, self._writer.prompt(example, row.number))

    def length(self, prepared: Asked) -> int:
        return len(prepared.prompt.ids)

    def predict(
        self, prepared: Sequence[Asked], on_text: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        answers = self._writer.answers(
            [one.example for one in prepared], [one.prompt for one in prepared]
        )
        if on_text is not None:
            on_text(str(answers[0]["prediction"]))
        return answers


def load_writer(request: PredictionRequest) -> Writer:
    """
    Raises:
        UsageError: the model was finetuned for something else; and what `load_model` raises.
    """
    settings = request.settings
    assert isinstance(settings, WritingSettings)
    found = open_finetuned(
        request.model, request.task, device=settings.device, dtype=settings.dtype
    )
    writer = AnswerWriter(found.task, found.model, found.head, found.tokenizer, settings)
    return Writer(found.task, writer, settings.batch_size)


def decisive(settings: WritingSettings) -> dict[str, Any]:
    """The settings that predictions depend on; the others only say how fast they are made."""
    dtype = choose_dtype(settings.dtype, choose_device(settings.device))
    chosen = settings.model_dump(exclude={"batch_size", "batch_tokens", "device", "dtype"})
    return {**chosen, "dtype": str(dtype).removeprefix("torch.")}


WRITTEN_TASK = PredictionTask(
    column=None, settings=WritingSettings, decisive=decisive, load=load_writer, reading=reading_of
)
