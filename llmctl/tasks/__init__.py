"""Tasks: what finetuning, prediction and evaluation ask of a model beyond pretraining."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llmctl.registry import Registry
from llmctl.tasks.base import Task
from llmctl.tasks.causal_tuning import CausalTuning
from llmctl.tasks.multiple_choice import MultipleChoice
from llmctl.tasks.question_answering import ExtractiveQA
from llmctl.tasks.sequence_to_sequence import SequenceToSequence
from llmctl.tasks.text_classification import TextClassification
from llmctl.tasks.token_classification import TokenClassification

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "text-classification": TextClassification,
        "token-classification": TokenClassification,
        "question-answering": ExtractiveQA,
        "multiple-choice": MultipleChoice,
        "sequence-to-sequence": SequenceToSequence,
        "causal-tuning": CausalTuning,
    },
)

AnyTask = Annotated[
    TextClassification
    | TokenClassification
    | ExtractiveQA
    | MultipleChoice
    | SequenceToSequence
    | CausalTuning,
    Field(discriminator="name"),
]
"""The recipe section `task`: one of the table, chosen by its name."""
