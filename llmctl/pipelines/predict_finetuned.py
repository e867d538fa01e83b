"""Prediction by a finetuned model: whole rows in, the task's answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import Field

from llmctl.errors import UsageError
from llmctl.models.finetuned import head_for
from llmctl.models.heads import wrap
from llmctl.models.load import (
    choose_device,
    choose_dtype,
    find_tokenizer,
    load_model,
    model_folder,
    read_architecture,
)
from llmctl.pipelines.finetuned_task import task_of
from llmctl.pipelines.predict_tasks import (
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
    Reading,
)
from llmctl.section import Section
from llmctl.tasks.base import Arrays, Example, Feature, RowRefused, Task, make_batch
from llmctl.tokenization.load import load_tokenizer


class FinetunedSettings(Section):
    """Options of prediction by a finetuned model."""

    batch_size: int = Field(32, gt=0, description="Rows at a time")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")
    dtype: str = Field("auto", description="auto, float32, bfloat16 or float16")


@dataclass(frozen=True)
class Prepared:
    """A row as the task understands it, and its features."""

    example: Example
    features: list[Feature]


class FinetunedModel:
    """A finetuned model with its tokenizer and task, ready to answer rows."""

    def __init__(self, task: Task, model: Any, head: str, tokenizer: Any, batch_size: int) -> None:
        self.task, self.tokenizer, self.batch_size = task, tokenizer, batch_size
        self.device = model.device
        self._model = wrap(model, head).eval()
        self._padding = task.padding(tokenizer)

    def prepare(self, row: InputRow) -> Prepared:
        """
        Raises:
            BadInput: the task cannot use the row.
        """
        try:
            content = self.task.example(row.columns, labelled=False)
        except RowRefused as refused:
            raise BadInput(str(refused)) from None
        example = Example("", row.number, row.columns, content)
        encoded = self.task.encode([example], self.tokenizer, labelled=False)
        return Prepared(example, encoded.features)

    def length(self, prepared: Prepared) -> int:
        return max((len(feature) for feature in prepared.features), default=0)

    def predict(
        self,
        prepared: Sequence[Prepared],
        on_text: Callable[[str], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Answers; a batch too large for the GPU's memory is halved."""
        features = [
            replace(feature, examples=(number,))
            for number, row in enumerate(prepared)
            for feature in row.features
        ]
        try:
            outputs = self._outputs(features)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(prepared) == 1:
                return [{"prediction": None, "error": "the GPU's memory is too small for it"}]
            half = len(prepared) // 2
            return [*self.predict(prepared[:half]), *self.predict(prepared[half:])]
        answers = self.task.predictions([row.example for row in prepared], features, outputs)
        if on_text is not None:
            on_text(str(answers[0]["prediction"]))
        return answers

    @torch.inference_mode()
    def _outputs(self, features: Sequence[Feature]) -> list[Arrays]:
        """What the model says of each feature; long rows may be several of them."""
        found: list[Arrays] = []
        for start in range(0, len(features), self.batch_size):
            batch = make_batch(
                features[start : start + self.batch_size], self._padding, self.task.fixed
            )
            tensors = {
                name: torch.from_numpy(array).to(self.device)
                for name, array in batch.arrays.items()
            }
            said = {
                name: value.float().cpu().numpy()
                for name, value in self.task.outputs(self._model, tensors).items()
            }
            count = len(next(iter(said.values())))
            found += [{name: value[row] for name, value in said.items()} for row in range(count)]
        return found


def load_finetuned(request: PredictionRequest) -> FinetunedModel:
    """
    Raises:
        UsageError: the model was finetuned for something else; and what `load_model` raises.
    """
    settings = request.settings
    assert isinstance(settings, FinetunedSettings)
    folder = model_folder(request.model)
    task = task_of(folder, request.task)
    head = head_for(task.heads, read_architecture(folder).model_type, str(folder))
    model = load_model(folder, head, device=settings.device, dtype=settings.dtype)
    tokenizer = load_tokenizer(str(find_tokenizer(folder)))
    return FinetunedModel(task, model, head, tokenizer, settings.batch_size)


def reading_of(request: PredictionRequest) -> Reading:
    """How the task that the model was finetuned for reads files.

    Raises:
        UsageError: the model was finetuned for something else, or a column was named: those that
            are read stand in `task.json`.
    """
    if request.column is not None:
        raise UsageError(
            f"--column is not for {request.task}: the columns are those of its training data",
            hint="rename the column, or change task.json in the model's folder",
        )
    task = task_of(model_folder(request.model), request.task)
    return Reading(task.text_column(), task.file_format or "tsv")


def decisive(settings: FinetunedSettings) -> dict[str, Any]:
    """The settings that predictions depend on."""
    dtype = choose_dtype(settings.dtype, choose_device(settings.device))
    return {"dtype": str(dtype).removeprefix("torch.")}


FINETUNED_TASK = PredictionTask(
    column=None, settings=FinetunedSettings, decisive=decisive, load=load_finetuned,
    reading=reading_of,
)  # fmt: skip
