"""Save a model as a folder that transformers 4.57 and 5 read alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from llmctl.files import read_json, write_json
from llmctl.models.load import quiet_transformers


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write weights as safetensors, and the configuration."""
    with quiet_transformers():
        model.save_pretrained(folder)
    _make_portable(folder)


def save_config(model: PreTrainedModel, folder: Path) -> None:
    """Write the configuration alone."""
    model.config.architectures = [type(model).__name__]
    with quiet_transformers():
        model.config.save_pretrained(folder)
    _make_portable(folder)


def _make_portable(folder: Path) -> None:
    path = folder / "config.json"
    write_json(path, portable_config(read_json(path)))


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """A `config.json` that both versions read.

    transformers 5 writes the base of rotary positions into `rope_parameters`, which 4.57 does not
    look at: it would silently take 10,000.

    >>> portable_config({"rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}})
    {'rope_parameters': {'rope_theta': 500000.0, 'rope_type': 'default'}, 'rope_theta': 500000.0}

    It also writes that a T5 v1.1 or mT5 had its head tied; 4.57 would then scale before the head,
    and version 5 itself takes the setting to mean that.

    >>> portable_config({"model_type": "mt5", "tie_word_embeddings": True})
    {'model_type': 'mt5', 'tie_word_embeddings': False}
    """
    if config.get("model_type") == "mt5" or config.get("scale_decoder_outputs") is False:
        return {**config, "tie_word_embeddings": False}
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" in rope:
        return {**config, "rope_theta": rope["rope_theta"]}
    return config
