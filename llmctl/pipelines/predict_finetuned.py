"""Prediction by a finetuned model: whole rows in, the task's answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from pydantic import Field

from llmctl.errors import UsageError
from llmctl.models.heads import wrap
from llmctl.models.load import (
    choose_device,
    choose_dtype,
    model_folder,
)
from llmctl.pipelines.finetuned_model import open_finetuned
from llmctl.pipelines.finetuned_task import task_of
from llmctl.pipelines.predict_tasks import (
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
    Reading,
)
from llmctl.section import Section
from llmctl.tasks.base import Arrays, Example, Feature, RowRefused, Task
from llmctl.tasks.batches import make_batch


class FinetunedSettings(Section):
    """Options of prediction by a finetuned model."""

    batch_size: int = Field(32, gt=0, description="Rows at a time")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")
    dtype: str = Field("auto", description="auto, float32, bfloat16 or float16")


class FinetunedModel:
    """A finetuned model with its tokenizer and task, ready to answer rows."""

    def __init__(self, task: Task, model: Any, head: str, tokenizer: Any, batch_size: int) -> None:
        self.task, self.tokenizer, self.batch_size = task, tokenizer, batch_size
        self.device = model.device
        self._model = wrap(model, head).eval()
        self._padding = task.padding(tokenizer)

    def prepare(self, row: InputRow) -> Example:
        """
        Raises:
            BadInput: the task cannot use the row.
        """
        try:
            content = self.task.example(row.columns, labelled=False)
        except RowRefused as refused:
            raise BadInput(str(refused)) from None
        return Example("", row.number, row.columns, content)

    def length(self, prepared: Example) -> int:
        return len(repr(prepared.content))

    def predict(
        self, prepared: Sequence[Example], on_text: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Answers; a batch too large for the GPU's memory is halved."""
        features = self.task.encode(prepared, self.tokenizer, labelled=False).features
        try:
            outputs = self._outputs(features)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(prepared) == 1:
                return [{"prediction": None, "error": "the GPU's memory is too small for it"}]
            half = len(prepared) // 2
            return [*self.predict(prepared[:half]), *self.predict(prepared[half:])]
        answers = self.task.predictions(prepared, features, outputs)
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
    found = open_finetuned(
        request.model, request.task, device=settings.device, dtype=settings.dtype
    )
    return FinetunedModel(found.task, found.model, found.head, found.tokenizer, settings.batch_size)


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
