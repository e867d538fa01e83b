"""What a checkpoint holds of a model: all its weights, or only an adapter beside a frozen base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transformers import PreTrainedModel

from llmctl.models.adapter_files import Base
from llmctl.models.lora import load_adapter, save_adapter
from llmctl.training import tensors

_WEIGHTS = "model.safetensors"


class StoredWeights(Protocol):
    """Writes a model's weights and configuration into a folder, and reads them back."""

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None:
        """
        Raises:
            CheckpointError: they are not this model's.
        """


@dataclass(frozen=True)
class WholeWeights:
    """Every parameter and buffer."""

    model: PreTrainedModel

    def save(self, folder: Path) -> None:
        tensors.save_weights(self.model, folder / _WEIGHTS)
        self.model.config.save_pretrained(folder)

    def load(self, folder: Path) -> None:
        tensors.load_weights(self.model, folder / _WEIGHTS)


@dataclass(frozen=True)
class AdapterWeights:
    """What LoRA trains, and the hash of the base: a small folder that loads as a model."""

    model: PreTrainedModel
    base: Base

    def save(self, folder: Path) -> None:
        with tensors.safetensors_errors(folder):
            save_adapter(self.model, folder, self.base)

    def load(self, folder: Path) -> None:
        load_adapter(self.model, folder)
