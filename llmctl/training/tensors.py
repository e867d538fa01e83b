"""Weights and optimizer state to and from safetensors: by parameter name, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from llmctl.errors import CheckpointError, StorageError

_SEPARATOR = "::"
_METADATA = {"format": "pt"}


@contextmanager
def safetensors_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into exit code 74: safetensors raises an error of its own, no OSError."""
    try:
        yield
    except SafetensorError as error:
        raise StorageError(
            f"cannot write {path}: {error}",
            hint=f"check the space and rights: df -h {path.parent}",
        ) from error


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Parameters and persistent buffers; tied tensors once, under their first name."""
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in seen and tensor.numel():
            continue
        seen.add(tensor.data_ptr())
        tensors[name] = tensor.detach().contiguous()
    with safetensors_errors(path):
        save_file(tensors, path, metadata=_METADATA)


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """
    Raises:
        CheckpointError: the file's tensors are not this model's.
    """
    loaded = load_file(path)
    own = model.state_dict()
    filled = set()
    for name, tensor in loaded.items():
        if name not in own or own[name].shape != tensor.shape:
            raise CheckpointError(f"{path}: {name} does not fit the model")
        own[name].copy_(tensor)
        filled.add(own[name].data_ptr())
    missing = [name for name, tensor in own.items() if tensor.data_ptr() not in filled]
    if missing:
        raise CheckpointError(f"{path}: {missing[0]} is missing")


def save_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], model: torch.nn.Module, path: Path
) -> dict[str, Any]:
    """Write all state tensors; plain numbers (Adafactor's step) are returned, for JSON."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {}
    for optimizer in optimizers:
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                place = f"{names[id(parameter)]}{_SEPARATOR}{key}"
                if isinstance(value, torch.Tensor):
                    tensors[place] = value.detach().contiguous()
                else:
                    numbers[place] = value
    with safetensors_errors(path):
        save_file(tensors, path, metadata=_METADATA)
    return numbers


def load_optimizers(
    optimizers: Sequence[torch.optim.Optimizer],
    model: torch.nn.Module,
    path: Path,
    numbers: dict[str, Any],
) -> None:
    """Put saved state back, on the device and in the type it was saved with."""
    owner = {id(p): o for o in optimizers for group in o.param_groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    for place, value in [*load_file(path).items(), *numbers.items()]:
        name, _, key = place.rpartition(_SEPARATOR)
        parameter = parameters.get(name)
        if parameter is None or id(parameter) not in owner:
            raise CheckpointError(f"{path}: the model has no parameter {name}")
        on_device = value.to(parameter.device) if isinstance(value, torch.Tensor) else value
        owner[id(parameter)].state[parameter][key] = on_device
