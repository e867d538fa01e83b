"""The first sentences of a text: the baseline that summaries are held against.

Of news and papers it is hard to beat (Nenkova 2005; See et al. 2017, section 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_BLANK_LINES = re.compile(r"(\n\s*\n)")
_ENOUGH = 2000
"""Characters looked at for each sentence wanted: the library's time grows with the square."""


def lead_sentences(text: str | Sequence[str], count: int, joiner: str = " ") -> str:
    """The first sentences of a text, or of its list of sentences.

    >>> lead_sentences("Dr. Smith left. He ran. Nobody saw.", 2)
    'Dr. Smith left. He ran.'
    >>> lead_sentences("他说走吧。然后走了。", 1)
    '他说走吧。'
    """
    if not isinstance(text, str):
        return joiner.join(text[:count])
    end = 0
    for sentence in _sentences(text[: _ENOUGH * count]):
        end += len(sentence)
        count -= bool(sentence.strip())
        if not count:
            break
    return text[:end].strip()


def mean_sentences(texts: Sequence[str]) -> float:
    """How many sentences the texts have on average; one that is empty has none.

    >>> mean_sentences(["One. Two.", "One more."])
    1.5
    """
    counts = [sum(bool(sentence.strip()) for sentence in _sentences(text)) for text in texts]
    return sum(counts) / max(len(counts), 1)


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each as long as it is there. Blank lines end sentences, single line
    breaks do not: many texts are wrapped by width."""
    from sentencex import segment

    for paragraph in _BLANK_LINES.split(text):
        found: list[str] = segment("en", paragraph.replace("\n", " "))
        yield from found if sum(map(len, found)) == len(paragraph) else [paragraph]
