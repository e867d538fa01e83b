"""A finetuned model with all that belongs to it: task, head and tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.models.finetuned import head_for
from llmctl.models.load import find_tokenizer, load_model, model_folder, read_architecture
from llmctl.pipelines.finetuned_task import task_of
from llmctl.tasks.base import Task
from llmctl.tokenization.load import load_tokenizer


@dataclass(frozen=True)
class FinetunedFolder:
    """What `open_finetuned` found."""

    folder: Path
    task: Task
    model: Any
    head: str
    tokenizer: Any


def open_finetuned(name: str, task_name: str, *, device: str, dtype: str) -> FinetunedFolder:
    """Load a model that was finetuned for a task.

    Raises:
        UsageError: it was finetuned for something else; and what `load_model` raises.
    """
    folder = model_folder(name)
    task = task_of(folder, task_name)
    head = head_for(task.heads, read_architecture(folder).model_type, str(folder))
    model = load_model(folder, head, device=device, dtype=dtype)
    return FinetunedFolder(folder, task, model, head, load_tokenizer(str(find_tokenizer(folder))))
