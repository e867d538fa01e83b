"""The files of an adapter folder: low-rank matrices, the head, and which model they belong to.

    adapter_config.json        peft's: rank, alpha, the layers that have matrices, the base's name
    adapter_model.safetensors  peft's: `base_model.model.LAYER.lora_A.weight` [R, D_in],
                               `….lora_B.weight` [D_out, R], and the weights of the head
    base_model.json            ours: what the base was called, and the hash of its weights
    config.json                of the whole model, labels and all

Light: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import files
from llmctl.errors import DataError, UsageError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BASE = "base_model.json"
PREFIX = "base_model.model."
"""What peft puts before the name of every weight."""

_PLAIN: dict[str, Any] = {
    "peft_type": "LORA", "bias": "none", "use_dora": False, "use_rslora": False, "rank_pattern": {},
    "alpha_pattern": {}, "lora_bias": False,
}  # fmt: skip
"""Settings that change what an adapter computes, at the only values that are read here."""


@dataclass(frozen=True)
class Base:
    """The model that an adapter belongs to.

    Attributes:
        path: a folder, absolute, or a Hub name.
        sha256: of its weights, see `weights_sha256`.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Adapter:
    """What an adapter folder says of itself.

    Attributes:
        scale: what the product of its matrices is multiplied by, alpha / rank.
        targets: the layers that have matrices.
        heads: the modules that were trained whole.
    """

    base: Base
    scale: float
    targets: tuple[str, ...]
    heads: tuple[str, ...]


def is_adapter(folder: Path) -> bool:
    return (folder / CONFIG).is_file()


def refuse_foreign_adapter(folder: Path) -> None:
    """
    Raises:
        UsageError: an adapter folder that another program wrote.
    """
    if is_adapter(folder) and not (folder / BASE).is_file():
        raise UsageError(
            f"{folder} holds an adapter that another program wrote: it has no {BASE}, which says "
            "which weights it belongs to",
            hint="merge it with that program (peft: merge_and_unload) and give the merged folder",
        )


def read_adapter(folder: Path) -> Adapter:
    """
    Raises:
        UsageError: no adapter, one of another program, or of another kind than LoRA.
        DataError: a damaged file.
    """
    refuse_foreign_adapter(folder)
    if not is_adapter(folder):
        raise UsageError(f"{folder} holds no adapter: it has no {CONFIG}")
    config, base = files.read_json(folder / CONFIG), files.read_json(folder / BASE)
    try:
        other = [key for key, value in _PLAIN.items() if config.get(key, value) != value]
        adapter = Adapter(
            base=Base(config["base_model_name_or_path"], base["sha256"]),
            scale=config["lora_alpha"] / config["r"],
            targets=tuple(config["target_modules"]),
            heads=tuple(config["modules_to_save"] or ()),
        )
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise DataError(f"{folder / CONFIG} or {BASE} is not what llmctl writes: {error}") from None
    if other:
        raise UsageError(
            f"{folder / CONFIG}: {other[0]} is {config[other[0]]!r}, which is not read"
        )
    return adapter


def write_adapter_config(
    folder: Path, base: Base, *, rank: int, alpha: float, dropout: float, targets: Iterable[str],
    heads: Iterable[str], task_type: str | None, fan_in_fan_out: bool,
) -> None:  # fmt: skip
    """Write what peft and we read; only what is needed, so that older versions of peft know it."""
    content = {
        "peft_type": "LORA", "task_type": task_type, "base_model_name_or_path": base.path,
        "r": rank, "lora_alpha": alpha, "lora_dropout": dropout,
        "target_modules": sorted(targets), "modules_to_save": sorted(heads) or None,
        "fan_in_fan_out": fan_in_fan_out, "bias": "none", "inference_mode": True,
    }  # fmt: skip
    files.write_json(folder / CONFIG, content)
    files.write_json(folder / BASE, {"path": base.path, "sha256": base.sha256})


def weights_sha256(folder: Path) -> str:
    """One hash over the weight files of a model folder, every byte of them."""
    hashes = [
        f"{path.name} {files.sha256_file(path)}" for path in sorted(folder.glob("*.safetensors"))
    ]
    return files.sha256_text("\n".join(hashes))
