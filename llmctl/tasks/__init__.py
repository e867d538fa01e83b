"""Tasks: what finetuning, prediction and evaluation ask of a model beyond pretraining."""

from __future__ import annotations

from llmctl.registry import Registry
from llmctl.tasks.base import Task
from llmctl.tasks.text_classification import TextClassification

TASKS: Registry[type[Task]] = Registry("task", {"text-classification": TextClassification})

AnyTask = TextClassification
"""The recipe section `task`: one of the table, chosen by its name."""
