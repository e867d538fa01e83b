"""Save a tokenizer as a folder that transformers 4.57 and 5 load with the same ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmctl.files import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Written by transformers 5 about this machine or this process; of no use to a reader.
_PRIVATE_KEYS = (
    "backend",
    "is_local",
    "local_files_only",
    "files_loaded",
    "name_or_path",
    "_commit_hash",
)


def save_tokenizer(
    tokenizer: PreTrainedTokenizerBase, folder: Path, *, max_length: int | None = None
) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and what else the tokenizer brings.

    `save_pretrained` of transformers 5 alone is not enough for 4.57:

    - a tokenizer without a class of its own is named `TokenizersBackend`, which 4.57 does not know;
      `PreTrainedTokenizerFast` means the same in both;
    - special tokens beyond the named ones go into a list under `extra_special_tokens`, where 4.57
      expects a mapping and fails; `additional_special_tokens` is read by both.

    Args:
        max_length: positions of the model it goes with, in tokens; readers truncate to it.
    """
    tokenizer.save_pretrained(str(folder))
    path = folder / "tokenizer_config.json"
    write_json(path, portable_config(read_json(path), max_length=max_length))


def portable_config(config: dict[str, Any], *, max_length: int | None = None) -> dict[str, Any]:
    """A `tokenizer_config.json` that both versions read.

    >>> portable_config({"tokenizer_class": "TokenizersBackend", "backend": "tokenizers"})
    {'tokenizer_class': 'PreTrainedTokenizerFast'}
    """
    config = {key: value for key, value in config.items() if key not in _PRIVATE_KEYS}
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    extra = config.get("extra_special_tokens")
    if isinstance(extra, list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    if max_length is not None:
        config["model_max_length"] = max_length
    return dict(sorted(config.items()))
