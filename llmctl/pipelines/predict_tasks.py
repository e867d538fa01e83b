"""The table of prediction tasks, what each is asked, and what each must be able to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from llmctl.registry import Registry
from llmctl.section import Section


@dataclass(frozen=True)
class PredictionRequest:
    """What is predicted, for what, and where it goes.

    Attributes:
        model: what `find_model` takes.
        input: a file of rows or lines, or `-`; None when `prompt` is given.
        prompt: a single input, from the command line.
        output: a .jsonl file; None: standard output.
        column: the column of the input that the task reads; None: the task's usual one.
        settings: the task's own, checked.
        fresh: forget what `output` holds.
        streams: show the answer while it is made, instead of a row at the end.
    """

    model: str
    task: str
    input: str | None
    prompt: str | None
    output: Path | None
    column: str | None
    settings: Section
    encoding: str = "utf-8"
    fresh: bool = False
    streams: bool = False


@dataclass(frozen=True)
class InputRow:
    """A row of the input; `error` says why it cannot be used.

    Attributes:
        columns: as they were read, without what an earlier prediction left.
        text: the value of the task's column; None of tasks that read whole rows.
    """

    number: int
    columns: dict[str, Any]
    text: str | None
    error: str | None = None

    @property
    def digest(self) -> str:
        """A short hash of the row."""
        return hashlib.sha256(to_json([self.columns, self.text, self.error])).hexdigest()[:16]


def to_json(value: Any) -> bytes:
    """One line of JSON; dates and the like become texts, NaN becomes null."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


@dataclass(frozen=True)
class Reading:
    """How a task wants its files read.

    Attributes:
        column: decides whether a table has a header, see `ReadingSettings.text_column`.
        file_format: of files whose ending is not known.
    """

    column: str | None = None
    file_format: str = "text"


class BadInput(Exception):
    """One row that nothing can be predicted for; the text says why."""


class Predictor(Protocol):
    """A loaded model that answers rows of one task."""

    batch_size: int

    def prepare(self, row: InputRow) -> Any:
        """What `predict` needs for one row. Raises `BadInput`."""

    def length(self, prepared: Any) -> int:
        """By which rows are brought together, so that little is padded."""

    def predict(
        self, prepared: Sequence[Any], on_text: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """The columns that are added to each row: `prediction`, or `error`, and more."""


@dataclass(frozen=True)
class PredictionTask:
    """One entry of the table.

    Attributes:
        column: the input's column, unless another is named; None: whole rows are read.
        settings: checks the options.
        decisive: the options that predictions depend on; with others, earlier ones are no use.
        load: loads the model.
    """

    column: str | None
    settings: type[Section]
    decisive: Callable[[Any], Mapping[str, Any]]
    load: Callable[[PredictionRequest], Predictor]
    reading: Callable[[PredictionRequest], Reading] = lambda _: Reading()


FINETUNED = (
    "text-classification", "token-classification", "question-answering", "multiple-choice",
)  # fmt: skip
"""Tasks that a model was finetuned for; their folder says how rows are read (`task.json`)."""

WRITTEN = ("sequence-to-sequence", "causal-tuning")
"""The same, of models that write their answers."""

PREDICTIONS: Registry[PredictionTask] = Registry(
    "prediction task",
    {
        "generation": "llmctl.pipelines.predict_generation:GENERATION",
        "fill-mask": "llmctl.pipelines.predict_fill_mask:FILL_MASK",
        **dict.fromkeys(FINETUNED, "llmctl.pipelines.predict_finetuned:FINETUNED_TASK"),
        **dict.fromkeys(WRITTEN, "llmctl.pipelines.predict_written:WRITTEN_TASK"),
    },
)
