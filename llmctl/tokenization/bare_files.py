"""Read a tokenizer whose vocabulary came without a configuration: one bare file, or GPT-2's two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.errors import DataError, InputMissing, LlmctlError
from llmctl.tokenization.sentencepiece_file import read_sentencepiece

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BPE_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))

# Names that mean the same in every released tokenizer that has them.
_ROLES: dict[str, tuple[str, ...]] = {
    "<s>": ("bos_token",),
    "</s>": ("eos_token",),
    "<|endoftext|>": ("bos_token", "eos_token"),
    "<|begin_of_text|>": ("bos_token",),
    "<|end_of_text|>": ("eos_token",),
    "<pad>": ("pad_token",),
    "[PAD]": ("pad_token",),
    "<unk>": ("unk_token",),
    "[UNK]": ("unk_token",),
    "[CLS]": ("cls_token",),
    "[SEP]": ("sep_token",),
    "<mask>": ("mask_token",),
    "[MASK]": ("mask_token",),
}


def read_bare_folder(folder: Path) -> PreTrainedTokenizerBase:
    """A folder without `tokenizer_config.json` and `config.json`: by the file it holds.

    Raises:
        InputMissing: none of the known files is there.
        DataError: the file cannot be read.
    """
    from transformers import GPT2Tokenizer

    if (folder / "tokenizer.json").is_file():
        return read_bare_file(folder / "tokenizer.json")
    for vocabulary, merges in _BPE_PAIRS:
        if (folder / vocabulary).is_file() and (folder / merges).is_file():
            return GPT2Tokenizer(vocab=str(folder / vocabulary), merges=str(folder / merges))
    if (folder / "vocab.txt").is_file():
        return read_bare_file(folder / "vocab.txt")
    models = sorted(folder.glob("*.model"))
    if len(models) == 1:
        return read_bare_file(models[0])
    if models:
        raise DataError(
            f"{folder} holds {len(models)} .model files: {', '.join(path.name for path in models)}",
            hint=f"name one of them: {models[0]}",
        )
    raise InputMissing(f"{folder} holds no tokenizer that can be read")


def read_bare_file(path: Path) -> PreTrainedTokenizerBase:
    """A `tokenizer.json`, a SentencePiece `.model`, or a BERT `vocab.txt`.

    Raises:
        DataError: it is none of these.
    """
    try:
        if path.suffix == ".json":
            return _read_json(path)
        if path.suffix == ".model":
            return read_sentencepiece(path)
        if path.suffix == ".txt":
            return _read_word_pieces(path)
    except LlmctlError:
        raise
    except Exception as error:  # the libraries raise bare Exception for damaged files
        raise DataError(f"{path} is not a tokenizer that can be read: {error}") from error
    raise DataError(
        f"{path} is not a tokenizer: expected tokenizer.json, a .model file or a vocab.txt"
    )


def _read_json(path: Path) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    state = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(state, dict) or "model" not in state:
        raise DataError(
            f"{path} is not a tokenizer.json: it has no model",
            hint="for GPT-2's vocabulary name its folder, which also holds the merges",
        )
    roles = {
        role: token["content"]
        for token in state.get("added_tokens", [])
        for role in _ROLES.get(token["content"], ())
    }
    return PreTrainedTokenizerFast(
        tokenizer_file=str(path), clean_up_tokenization_spaces=False, **roles
    )


def _read_word_pieces(path: Path) -> PreTrainedTokenizerBase:
    """BERT's vocabulary. Whether it was lowercased shows in it: no token starts with a capital."""
    from transformers import BertTokenizer

    tokens = path.read_text(encoding="utf-8").splitlines()
    missing = {"[UNK]", "[CLS]", "[SEP]"} - set(tokens)
    if missing:
        raise DataError(f"{path} is not a BERT vocabulary: {', '.join(sorted(missing))} not in it")
    capitals = any(token[:1].isupper() for token in tokens if not token.startswith("["))
    return BertTokenizer(vocab=str(path), do_lower_case=not capitals)
