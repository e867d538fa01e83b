"""Answers to questions in Chinese by the published CMRC 2018 rules: exact match and F1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from llmctl.metrics.answers import answer_pairs
from llmctl.metrics.base import Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.section import Section

NUMBERS = (
    Number("cmrc_f1", 0.0, 100.0, unit="0-100"),
    Number("cmrc_em", 0.0, 100.0, unit="0-100"),
)

_IGNORED = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""The punctuation of the published list. It also names "……", two characters that its comparison of
single ones never meets; "‘" and ASCII marks such as the full stop are not on it."""
_HAN = re.compile(r"([\u4e00-\u9fa5])")
_MARKS = re.compile(
    r"\.{2,}|[;@#$%&?!()\[\]{}<>\"«»‘„]|[‒–—―]"  # marks that always stand alone
    r"|,(?!\d)"  # not within 1,000
    r"|(?<!\.)\.(?=[\])}>\"'»\s]*$)"  # the full stop at the end
    r"|(?<!\w)'(?=\w)(?!(?:re|ve|ll|m|t|s|d|n)\b)"  # an opening quotation mark
)
_CLITICS = re.compile(r"(?<=[^'\s])(?:'(?:s|m|d|ll|re|ve)?|n't)(?!\S)")


class CmrcSettings(Section):
    """`cmrc` has no options."""


def cmrc(predictions: Sequence[Any], references: Sequence[Any]) -> Measured:
    """How well answers agree with the best of the right ones, by CMRC 2018's rules, 0 to 100.

    Answers are lowercased and lose the punctuation of the published list. `cmrc_em`: the share that
    is then equal, spaces included. `cmrc_f1`: answers are cut into Chinese characters and other
    words, and the longest run of them that both have is held against the length of each (Cui et
    al. 2019; a run, not a subsequence).

    Text between Chinese characters is cut as NLTK's `word_tokenize` does on words, numbers, common
    punctuation and English contractions. It differs on quotation marks, which NLTK turns into
    opening and closing ones, and on a few joined words such as "cannot".

    Args:
        predictions, references: see `answer_pairs`; every question has an answer.

    Raises:
        UsageError, DataError: see `answer_pairs`.

    >>> cmrc(["北京大学。", "在1998年"], [["北京大学"], ["1998年"]]).values()
    {'cmrc_f1': 90.0, 'cmrc_em': 50.0}
    """
    pairs = answer_pairs(predictions, references, may_be_empty=False)
    scores = np.array([_best(answer, right) for answer, right in pairs])
    return Measured(
        NUMBERS,
        np.hstack([scores, np.ones((len(pairs), 1))]),
        from_sums=lambda sums: 100.0 * sums[..., :2] / sums[..., 2:],
        rates={"cmrc_em": scores[:, 1]},
        signature={"rules": "cmrc2018-v5", "version": 1},
    )


def segments(answer: str) -> list[str]:
    """Chinese characters, and words of other scripts between them.

    >>> segments("《GPT-2》的 困惑度是18.5%。")
    ['gpt2', '的', '困', '惑', '度', '是', '18.5', '%']
    """
    pieces = _HAN.split(_bare(answer))
    return [word for piece in pieces for word in _words(piece)]


def _words(text: str) -> list[str]:
    return _CLITICS.sub(r" \g<0>", _MARKS.sub(r" \g<0> ", text)).split()


def _bare(answer: str) -> str:
    return answer.lower().strip().translate(_IGNORED)


def _best(answer: str, right: Sequence[str]) -> tuple[float, float]:
    said = segments(answer)
    equal = any(_bare(answer) == _bare(text) for text in right)
    return max(_f1(said, segments(text)) for text in right), float(equal)


def _f1(said: Sequence[str], known: Sequence[str]) -> float:
    shared = longest_common_run(said, known)
    if not shared:
        return 0.0
    precision, recall = shared / len(said), shared / len(known)
    return 2 * precision * recall / (precision + recall)


def longest_common_run(left: Sequence[str], right: Sequence[str]) -> int:
    """How many items the longest run has that both sequences hold without a gap.

    >>> longest_common_run("abcde", "xbcdz")
    3
    """
    if len(left) > len(right):
        left, right = right, left
    places = {item: number for number, item in enumerate(dict.fromkeys(right))}
    row = np.array([places[item] for item in right], dtype=np.int64)
    longest, ending = 0, np.zeros(len(row) + 1, dtype=np.int64)
    for item in left:
        ending[1:] = np.where(row == places.get(item, -1), ending[:-1] + 1, 0)
        longest = max(longest, int(ending.max()))
    return longest


CMRC = MetricEntry(
    "cmrc",
    "answer",
    CmrcSettings,
    lambda _: NUMBERS,
    lambda predictions, references, _: cmrc(predictions, references),
    "exact match and F1 of Chinese answers by the published CMRC 2018 rules",
)
