"""A model from its base and an adapter folder: the base found and checked, the adapter merged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.errors import DataError, InputMissing, SettingsMismatch
from llmctl.models import adapter_files
from llmctl.models.adapter_files import Adapter, Base
from llmctl.models.find import find_model
from llmctl.models.heads import TASK_HEADS
from llmctl.models.layers import head_names
from llmctl.models.load import load_model, model_folder, read_architecture

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def base_of(name: str | Path) -> Base:
    """The model that adapters of a run will belong to, as it is now.

    Args:
        name: what `find_model` takes.

    Raises:
        InputMissing, NetworkError, SafetyError, UsageError: see `model_folder`.
    """
    found, folder = find_model(name), model_folder(name)
    path = found if isinstance(found, str) else str(folder.resolve())
    return Base(path, adapter_files.weights_sha256(folder))


def base_of_folder(folder: Path) -> Path | None:
    """The base that an adapter folder belongs to, see `find_base`; None of a whole model."""
    is_one = adapter_files.is_adapter(folder)
    return find_base(folder, adapter_files.read_adapter(folder)) if is_one else None


def find_base(folder: Path, adapter: Adapter) -> Path:
    """The folder of an adapter's base, with the very weights that it was trained on.

    Raises:
        InputMissing: it is not there.
        SettingsMismatch: its weights have changed since.
    """
    try:
        found = model_folder(adapter.base.path)
    except InputMissing as error:
        raise InputMissing(
            f"{folder} is an adapter of {adapter.base.path}, which is not there: {error.message}",
            hint="put it back, or write where it is now as base_model_name_or_path into "
            f"{folder / adapter_files.CONFIG}",
        ) from error
    sha256 = adapter_files.weights_sha256(found)
    if sha256 != adapter.base.sha256:
        raise SettingsMismatch(
            f"{folder} was trained on {adapter.base.path} when its weights had the SHA-256 "
            f"{adapter.base.sha256[:12]}…; now they have {sha256[:12]}…",
            hint="put the old weights back, or finetune again",
        )
    return found


def load_merged(folder: Path, head: str) -> PreTrainedModel:
    """The model of an adapter folder as a plain one, float32, on the CPU.

    Raises:
        UsageError, DataError: the adapter is of another kind, or damaged.
        InputMissing, SettingsMismatch: see `find_base`.
    """
    from llmctl.models.finetuned import load_with_head
    from llmctl.models.lora import merge_adapter

    adapter = adapter_files.read_adapter(folder)
    base = find_base(folder, adapter)
    if head not in TASK_HEADS:
        model = load_model(base, head, device="cpu", dtype="float32")
    else:
        model = load_with_head(base, head, read_architecture(folder), seed=0)
        if fresh := sorted(set(head_names(model)) - set(adapter.heads)):
            raise DataError(f"{folder} does not hold the whole head: {fresh[0]} is missing")
    merge_adapter(model, folder)
    return model
