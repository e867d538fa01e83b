"""The task that a model folder was finetuned for, as `task.json` beside its weights says."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from llmctl import files
from llmctl.errors import DataError, UsageError
from llmctl.tasks import AnyTask
from llmctl.tasks.base import Task

TASK_FILE = "task.json"


def finetuned_task(folder: Path) -> Task | None:
    """The settled task of a model folder; None where it was not finetuned by `llmctl finetune`.

    Raises:
        DataError: `task.json` is not what this program writes.
    """
    path = folder / TASK_FILE
    if not path.is_file():
        return None
    try:
        task: Task = TypeAdapter(AnyTask).validate_python(files.read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path} is no task of this version: {where}: {first['msg']}") from None
    return task


def task_of(folder: Path, asked: str) -> Task:
    """The task of a finetuned model, which must be the one asked for.

    Raises:
        UsageError: the model was finetuned for another one, or for none.
    """
    task = finetuned_task(folder)
    if task is not None and task.name == asked:
        return task
    if task is None:
        raise UsageError(
            f"{folder} was not finetuned for {asked}: it has no {TASK_FILE}",
            hint="llmctl finetune RECIPE model.path=… makes one that is",
        )
    raise UsageError(
        f"{folder} was finetuned for {task.name}, not for {asked}", hint=f"--task {task.name}"
    )
