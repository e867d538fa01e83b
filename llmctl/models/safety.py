"""What is checked in a model folder before any library opens it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmctl.errors import DataError, InputMissing, SafetyError
from llmctl.files import read_json
from llmctl.models.adapter_files import refuse_foreign_adapter

_PICKLE_PATTERNS = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`.

    Raises:
        InputMissing: there is none.
        UsageError: the folder holds an adapter (LoRA) that another program wrote.
        DataError: it is not a JSON object.
    """
    refuse_foreign_adapter(folder)
    if not (folder / "config.json").is_file():
        raise InputMissing(
            f"{folder} is no model folder: it has no config.json",
            hint=f"look at what is there: ls {folder}",
        )
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.json'} must hold a JSON object")
    return config


def check_model_folder(folder: Path) -> dict[str, Any]:
    """Refuse a folder that would run code or read files elsewhere; returns its config.

    Raises:
        SafetyError: the config names code, the weights are pickles, or a weight index or the
            config names a file outside the folder.
        InputMissing: there is no config, or there are no weights.
    """
    config = read_config(folder)
    _refuse_code(folder, config)
    for index in sorted(folder.glob("*.index.json")):
        _refuse_outside_names(index)
    weights = config.get("transformers_weights")
    if weights is not None and not _is_plain_safetensors_name(weights):
        raise SafetyError(f"{folder / 'config.json'}: transformers_weights names {weights!r}")
    if not any(folder.glob("*.safetensors")):
        _refuse_missing_weights(folder)
    return config


def _refuse_code(folder: Path, config: dict[str, Any]) -> None:
    if "auto_map" in config:
        raise SafetyError(
            f"{folder / 'config.json'} names code of its own (auto_map), which is never run",
            hint="use a model whose architecture transformers knows",
        )
    for key, value in config.items():
        chooses_kernel = "attn_implementation" in key or "experts_implementation" in key
        if chooses_kernel and any(mark in json.dumps(value) for mark in "/|@"):
            raise SafetyError(f"{folder / 'config.json'}: {key} names code to download ({value!r})")


def _refuse_outside_names(index: Path) -> None:
    content = read_json(index)
    names = content.get("weight_map", {}) if isinstance(content, dict) else None
    if not isinstance(names, dict):
        raise DataError(f"{index} must hold an object with a weight_map")
    for key, name in names.items():
        if not _is_plain_safetensors_name(name):
            raise SafetyError(
                f"{index}: the weights of {key} are said to be in {name!r}; "
                "the name of a .safetensors file in the same folder was expected"
            )


def _is_plain_safetensors_name(name: object) -> bool:
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    return Path(name).name == name and name.endswith((".safetensors", ".safetensors.index.json"))


def _refuse_missing_weights(folder: Path) -> None:
    pickles = [path.name for pattern in _PICKLE_PATTERNS for path in sorted(folder.glob(pattern))]
    if pickles:
        raise SafetyError(
            f"{folder} has its weights only as a pickle ({pickles[0]}), which can run code when "
            "it is read; model.safetensors was expected",
            hint="convert it where you trust it: save the model with safe_serialization",
        )
    raise InputMissing(f"{folder} has no weights: model.safetensors was expected")
