"""A pretrained model given the head of a task: the body's weights whole, the head's fresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from llmctl.errors import SettingsMismatch, UsageError
from llmctl.models.adapter_files import is_adapter
from llmctl.models.architecture import has_class_with
from llmctl.models.build import set_dropout
from llmctl.models.families import heads_of
from llmctl.models.heads import HEADS, TASK_HEADS
from llmctl.models.load import load_model, model_folder, quiet_transformers, read_architecture

_KEYS_SHOWN = 5


def head_for(heads: tuple[str, ...], model_type: str, what: str) -> str:
    """The first of a task's heads that a model type can be given.

    Args:
        what: the model as a person knows it.

    Raises:
        UsageError: it can be given none.
    """
    for head in heads:
        if has_class_with(head, model_type) if head in TASK_HEADS else head in heads_of(model_type):
            return head
    raise UsageError(
        f"{what} is a {model_type}, for which transformers has no "
        f"{' or '.join(HEADS[head].auto_class.removeprefix('AutoModelFor') for head in heads)}",
        hint="give another model, or another task",
    )


def load_for_task(
    name: str | Path, head: str, options: dict[str, Any], *, seed: int, dropout: float | None
) -> PreTrainedModel:
    """A model to finetune, float32, on the CPU. A fresh head depends on the seed alone.

    Args:
        name: what `find_model` takes.
        options: values of the configuration, such as the names of the labels.
        dropout: everywhere; None: what the model's configuration says.

    Raises:
        SettingsMismatch: weights of the body are missing, or there are some it does not know.
        UsageError: an adapter instead of a whole model.
        InputMissing, NetworkError, SafetyError, DataError: see `load_model`.
    """
    folder = model_folder(name)
    if is_adapter(folder):
        raise UsageError(
            f"{folder} is an adapter; finetuning begins from whole weights",
            hint=f"llmctl export {name} --merge -o FOLDER, then model.path=FOLDER",
        )
    if head in TASK_HEADS:
        config = read_architecture(folder)
        for key, value in options.items():
            setattr(config, key, value)
        model = load_with_head(folder, head, config, seed)
    else:
        model = load_model(folder, head, device="cpu", dtype="float32")
    if dropout is not None:
        set_dropout(model, dropout)
    return model


def load_with_head(folder: Path, head: str, config: Any, seed: int) -> PreTrainedModel:
    """The weights of a folder in a model of another configuration: with other labels, that is.

    Raises:
        SettingsMismatch: weights of the body are missing, or of other shapes.
        UsageError: the folder cannot be loaded.
    """
    auto_class = getattr(transformers, HEADS[head].auto_class)
    torch.manual_seed(seed)
    try:
        with quiet_transformers():
            model, info = auto_class.from_pretrained(
                folder, config=config, dtype=torch.float32, trust_remote_code=False,
                use_safetensors=True, local_files_only=True, ignore_mismatched_sizes=True,
                output_loading_info=True,
            )  # fmt: skip
    except (ValueError, ImportError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{folder} cannot be loaded: {reason}") from error
    _refuse_half_a_body(model, info, folder)
    return model


def _refuse_half_a_body(model: PreTrainedModel, info: dict[str, Any], folder: Path) -> None:
    """A head may be fresh; a body that is partly fresh would train, badly, without a word."""
    prefix = f"{model.base_model_prefix}."
    missing = sorted(key for key in info["missing_keys"] if key.startswith(prefix))
    missing = [key for key in missing if ".pooler." not in key]
    wrong = sorted(entry[0] for entry in info["mismatched_keys"] if entry[0].startswith(prefix))
    if missing or wrong:
        keys = [*missing, *wrong]
        more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
        raise SettingsMismatch(
            f"the weights in {folder} do not fill the model's body: "
            f"{', '.join(keys[:_KEYS_SHOWN])}{more}",
            hint=f"compare {folder / 'config.json'} with the run that wrote the weights",
        )
