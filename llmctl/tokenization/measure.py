"""How well a tokenizer fits a text: fertility, compression, coverage, round trip, by script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SCRIPTS = ("Latin", "Han", "other")
_LATIN, _HAN, _OTHER, _BLANK = range(4)
_RANGES = (
    (_LATIN, ((0x41, 0x5B), (0x61, 0x7B), (0xAA, 0xAB), (0xBA, 0xBB), (0xC0, 0xD7), (0xD8, 0xF7),
              (0xF8, 0x250), (0x1E00, 0x1F00), (0xFF21, 0xFF3B), (0xFF41, 0xFF5B))),
    (_HAN, ((0x3005, 0x3008), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00),
            (0x20000, 0x32000))),
    (_BLANK, ((0x09, 0x0E), (0x20, 0x21), (0x85, 0x86), (0xA0, 0xA1), (0x2000, 0x200B),
              (0x2028, 0x202A), (0x3000, 0x3001))),
)  # fmt: skip
_BATCH = 256
_DECODED_BYTES = 2_000_000
_BLANKS = re.compile(r"\s+")


@dataclass
class ScriptCounts:
    """Letters, words and tokens of one script. Punctuation and digits are of the script `other`."""

    characters: int = 0
    words: int = 0
    tokens: int = 0

    def as_dict(self, *, has_words: bool) -> dict[str, Any]:
        return {
            "characters": self.characters,
            "words": self.words if has_words else None,
            "tokens": self.tokens,
            "tokens_per_word": _ratio(self.tokens, self.words) if has_words else None,
            "tokens_per_character": _ratio(self.tokens, self.characters),
        }


@dataclass
class Measurement:
    """Counts over a text. A token belongs to the script of its last letter."""

    texts: int = 0
    characters: int = 0
    bytes: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    unknown_characters: int = 0
    lines_decoded: int = 0
    bytes_decoded: int = 0
    exact_round_trips: int = 0
    close_round_trips: int = 0
    scripts: list[ScriptCounts] = field(default_factory=lambda: [ScriptCounts() for _ in SCRIPTS])

    def as_dict(self) -> dict[str, Any]:
        """What is reported. Fertility is tokens per word for Latin, per character for Han."""
        return {
            "texts": self.texts,
            "characters": self.characters,
            "bytes": self.bytes,
            "tokens": self.tokens,
            "bytes_per_token": _ratio(self.bytes, self.tokens),
            "characters_per_token": _ratio(self.characters, self.tokens),
            "unknown_token_share": _ratio(self.unknown_tokens, self.tokens),
            "character_coverage": 1 - (_ratio(self.unknown_characters, self.characters) or 0.0),
            "lines_decoded": self.lines_decoded,
            "round_trip_share": _ratio(self.exact_round_trips, self.lines_decoded),
            "round_trip_share_without_blanks_and_case": _ratio(
                self.close_round_trips, self.lines_decoded
            ),
            "scripts": {
                name: counts.as_dict(has_words=name == "Latin")
                for name, counts in zip(SCRIPTS, self.scripts, strict=True)
                if counts.characters
            },
        }


def measure(
    tokenizer: PreTrainedTokenizerBase,
    texts: Iterable[str],
    *,
    on_text: Callable[[int], None] | None = None,
) -> Measurement:
    """Encode texts and count; decode the lines of the first two megabytes and compare. Special
    tokens are neither added nor read.

    Args:
        on_text: called with the bytes of each text as it is done.
    """
    total = Measurement()
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            _measure_batch(tokenizer, batch, total, on_text)
            batch = []
    if batch:
        _measure_batch(tokenizer, batch, total, on_text)
    return total


def script_codes(text: str) -> NDArray[np.int8]:
    """The script of each character: 0 Latin, 1 Han, 2 other, 3 blank.

    >>> script_codes("a 床。").tolist()
    [0, 3, 1, 2]
    """
    points = np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype="<u4")
    codes = np.full(len(points), _OTHER, dtype=np.int8)
    for code, ranges in _RANGES:
        for start, end in ranges:
            codes[(points >= start) & (points < end)] = code
    return codes


def _measure_batch(
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    total: Measurement,
    on_text: Callable[[int], None] | None,
) -> None:
    encoded = tokenizer(
        texts, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    rows = zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    for text, ids, offsets in rows:
        size = len(text.encode("utf-8"))
        total.texts += 1
        total.characters += len(text)
        total.bytes += size
        total.tokens += len(ids)
        _count_scripts(text, np.array(offsets, dtype=np.int64).reshape(-1, 2), total)
        _count_unknown(tokenizer.unk_token_id, np.array(ids), offsets, total)
        if on_text is not None:
            on_text(size)
        if total.bytes_decoded < _DECODED_BYTES:
            total.bytes_decoded += size
            _decode_lines(tokenizer, text, total)


def _decode_lines(tokenizer: PreTrainedTokenizerBase, text: str, total: Measurement) -> None:
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return
    ids = tokenizer(lines, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    decoded = tokenizer.batch_decode(ids, clean_up_tokenization_spaces=False)
    for line, back in zip(lines, decoded, strict=True):
        total.lines_decoded += 1
        total.exact_round_trips += back == line
        total.close_round_trips += _bare(back) == _bare(line)


def _count_scripts(text: str, offsets: NDArray[np.int64], total: Measurement) -> None:
    codes = script_codes(text)
    starts = np.append(True, codes[1:] != codes[:-1]) if len(codes) else np.zeros(0, dtype=bool)
    last = np.clip(offsets[:, 1] - 1, 0, max(len(codes) - 1, 0))
    of_token = codes[last] if len(codes) else codes
    for code, counts in enumerate(total.scripts):
        counts.characters += int((codes == code).sum())
        counts.words += int((starts & (codes == code)).sum())
        counts.tokens += int((of_token == code).sum())


def _count_unknown(
    unknown: int | None, ids: NDArray[Any], offsets: Any, total: Measurement
) -> None:
    if unknown is None:
        return
    for at in np.flatnonzero(ids == unknown):
        total.unknown_tokens += 1
        total.unknown_characters += offsets[at][1] - offsets[at][0]


def _bare(text: str) -> str:
    return _BLANKS.sub("", text).casefold()


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
