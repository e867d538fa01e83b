"""Tokens made readable: blanks and stray bytes visible, Chinese as Chinese."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_RESERVED = re.compile(r"<.+>|\[\w+\]")  # bytes, and names such as [unused7]
_SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "▁": "␣"})


@cache
def _bytes_of_letters() -> dict[str, int]:
    """GPT-2's alphabet: each byte that does not print is written as a letter above 255."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {chr(byte): byte for byte in printing}
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}


def is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether tokens are written in GPT-2's alphabet of bytes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and '"ByteLevel"' in json.dumps(
        json.loads(backend.to_str())["decoder"]
    )


def visible(token: str, *, byte_level: bool) -> str:
    """One token for the eye: blank ␣, line break ⏎, tab ⇥; bytes that are no whole letter <E5>.

    >>> visible("Ġthe", byte_level=True), visible("åºĬ", byte_level=True)
    ('␣the', '床')
    >>> visible("åº", byte_level=True)
    '<E5><BA>'
    """
    letters = _bytes_of_letters()
    if byte_level and all(letter in letters for letter in token):
        data = bytes(letters[letter] for letter in token)
        token = data.decode("utf-8", errors="surrogateescape")
    return "".join(
        f"<{ord(letter) - 0xDC00:02X}>" if "\udc80" <= letter <= "\udcff" else letter
        for letter in token.translate(_SIGNS)
    )


def show_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, str]]:
    """The ids and visible tokens of a text, with the special tokens that a model gets to see."""
    ids: list[int] = tokenizer(text)["input_ids"]
    return list(zip(ids, _visible_all(tokenizer, ids), strict=True))


def longest_tokens(tokenizer: PreTrainedTokenizerBase, count: int = 10) -> list[str]:
    """The longest tokens of the vocabulary, special ones left out; junk shows itself here."""
    special = set(tokenizer.all_special_ids)
    ids = [number for number in tokenizer.get_vocab().values() if number not in special]
    shown = [
        token for token in _visible_all(tokenizer, sorted(ids)) if not _RESERVED.fullmatch(token)
    ]
    return sorted(shown, key=lambda token: -len(token))[:count]


def _visible_all(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    byte_level = is_byte_level(tokenizer)
    special = set(tokenizer.all_special_tokens)
    tokens: list[Any] = tokenizer.convert_ids_to_tokens(ids)
    return [
        token if token in special else visible(token, byte_level=byte_level) for token in tokens
    ]
