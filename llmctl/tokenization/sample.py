"""A bounded, repeatable sample of a corpus, in pieces that no trainer chokes on."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_BLOCK_CHARACTERS = 1 << 16
_RUN_CHARACTERS = 256
_LONG_RUN = re.compile(rf"\S{{{_RUN_CHARACTERS}}}|\s{{{_RUN_CHARACTERS}}}")

# Letters of scripts written without blanks: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)
UNSPACED_WEIGHT = 32


@dataclass
class Sample:
    """The texts to train on and what they were taken from; sizes in bytes of UTF-8."""

    texts: list[str]
    documents_read: int
    bytes_read: int
    bytes_used: int
    complete: bool
    """Whether everything that was read is used."""


def take_sample(
    texts: Iterable[str],
    max_bytes: int,
    *,
    seed: int,
    unspaced_weight: int = 1,
    on_bytes: Callable[[int], None] | None = None,
) -> Sample:
    """At most `max_bytes` of a corpus of any size, read once, holding no more than that.

    Documents are ranked by a keyed hash of their text and the lowest are kept ("bottom-k
    sampling"), so the sample depends on the texts and the seed, not on their order. Documents over
    64 Ki characters are ranked in parts.

    Args:
        unspaced_weight: how many bytes one byte of Chinese, Japanese or Thai counts for. A trainer
            that counts distinct runs of letters needs 30 times the memory for text without blanks
            (byte-level BPE, tokenizers 0.23: 62 bytes of memory a byte of Chinese, 2 of English).
    """
    heap: list[tuple[int, int, str, int]] = []  # the highest hash on top; number in reading order
    budget, documents_read, bytes_read, number = max_bytes, 0, 0, 0
    complete = True
    for text in texts:
        documents_read += 1
        for block in _blocks(text):
            data = block.encode("utf-8", errors="replace")
            bytes_read += len(data)
            if on_bytes is not None:
                on_bytes(len(data))
            weight = len(data)
            if unspaced_weight > 1:
                weight += 3 * len(_UNSPACED.findall(block)) * (unspaced_weight - 1)
            rank = int.from_bytes(_hash(data, seed), "little")
            number += 1
            heapq.heappush(heap, (-rank, -number, data.decode("utf-8"), weight))
            budget -= weight
            while budget < 0 and len(heap) > 1:
                budget += heapq.heappop(heap)[3]
                complete = False
    kept = [text for _, _, text, _ in sorted(heap, key=lambda entry: -entry[1])]
    used = sum(len(text.encode("utf-8")) for text in kept)
    return Sample(kept, documents_read, bytes_read, used, complete)


def cut_long_runs(text: str) -> Iterator[str]:
    """The text cut wherever 256 letters come without a blank, or 256 blanks without a letter.

    A trainer looks at each run as a whole; one of a megabyte (a data URL, a book of Chinese on one
    line) takes it hours. Joined again the pieces are the text.

    >>> [len(piece) for piece in cut_long_runs("a" * 600)]
    [256, 256, 88]
    """
    start = 0
    for run in _LONG_RUN.finditer(text):
        yield text[start : run.end()]
        start = run.end()
    if start < len(text):
        yield text[start:]


def _blocks(text: str) -> Iterator[str]:
    for start in range(0, len(text), _BLOCK_CHARACTERS):
        yield text[start : start + _BLOCK_CHARACTERS]


def _hash(data: bytes, seed: int) -> bytes:
    return hashlib.blake2b(data, digest_size=8, key=seed.to_bytes(8, "little")).digest()
