"""ROUGE: words and word order shared with reference summaries (Lin 2004), in any language.

Equal to Google's rouge_score on ASCII text. That package keeps Latin letters and digits only, so
that Chinese scores nothing; here each Chinese, Japanese or Korean character is a token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry, called_with
from llmctl.metrics.inputs import reference_counts, text_pairs
from llmctl.metrics.subsequences import Reference
from llmctl.metrics.text_tokens import has_single_characters, words
from llmctl.section import Section

MultiReference = Literal["best", "mean", "first"]
Tokenize = Callable[[str], list[str]]

_NUMBERS = tuple(
    Number(name, 0.0, 100.0, unit="0-100")
    for name in ("rouge_1", "rouge_2", "rouge_l", "rouge_lsum")
)
_SENTENCE_ENDS = re.compile(r"[。！？!?；…\n]+")
_STEMMED_FROM = 4


class RougeSettings(Section):
    """ROUGE-1, -2, -L and -Lsum, each an F measure."""

    multi_reference: MultiReference = Field(
        "best", description="What counts of several references, for each number by itself: the "
        "best of them, their mean, or the first",
    )  # fmt: skip
    stem: bool = Field(False, description="Porter's stems of English words")


class Summary(NamedTuple):
    """A text taken apart: its tokens, n-grams of one and two, and tokens by sentence."""

    tokens: list[str]
    ngrams: tuple[Counter[Any], Counter[Any]]
    sentences: list[list[str]]


def rouge(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    multi_reference: MultiReference = "best",
    stem: bool = False,
) -> Measured:
    """ROUGE F measures, 0 to 100: means over the examples.

    rouge_1 and rouge_2 look at words and pairs of words, rouge_l at the longest common
    subsequence of the texts, rouge_lsum at those of their sentences (section 3.2 of the paper).
    Sentences end with a line; in Chinese, Japanese and Korean text also at 。！？；…

    Args:
        references: for each prediction a string or a list of them.
        multi_reference, stem: see `RougeSettings`.

    Returns:
        The four numbers. Statistics of an example: its own four, and 1.

    >>> rouge(["模型很好"], ["模型好"]).values()["rouge_l"]  # 3 of 4 and 3 of 3 characters
    85.71428571428571
    """
    pairs = text_pairs(predictions, references)
    tokenize = _stemming() if stem else words
    statistics = np.ones((len(pairs), len(_NUMBERS) + 1))
    empty = 0
    for row, (prediction, given) in enumerate(pairs):
        taken = given[:1] if multi_reference == "first" else given
        summary = _take_apart(prediction, tokenize)
        targets = [_take_apart(target, tokenize) for target in taken]
        scores = np.array([_scores(target, summary) for target in targets])
        statistics[row, :-1] = scores.mean(0) if multi_reference == "mean" else scores.max(0)
        empty += not any(target.tokens for target in targets)
    return Measured(
        _NUMBERS,
        statistics,
        from_sums=_means,
        signature={
            "nrefs": reference_counts(pairs),
            "multi": multi_reference,
            "tok": "word+cjk-character",
            "stem": "porter" if stem else "no",
            "sentences": "line+cjk",
            "version": 1,
        },
        notes=_notes(empty, len(pairs)),
    )


def _scores(target: Summary, summary: Summary) -> tuple[float, float, float, float]:
    """All four of a pair, 0 to 100."""
    m, n = len(target.tokens), len(summary.tokens)
    reference = Reference(target.tokens)
    longest = _f_measure(reference.common_length(summary.tokens), m, n)
    one_each = len(target.sentences) == len(summary.sentences) == 1
    by_sentence = longest if one_each else _f_measure(_union_length(target, summary), m, n)
    first, second = (
        _f_measure(_shared(ours, theirs), max(m - order, 0), max(n - order, 0))
        for order, (ours, theirs) in enumerate(zip(target.ngrams, summary.ngrams, strict=True))
    )
    return first, second, longest, by_sentence


def _f_measure(shared: int, in_target: int, in_summary: int) -> float:
    if not shared:
        return 0.0
    precision, recall = shared / in_summary, shared / in_target
    return 100 * 2 * precision * recall / (precision + recall)


def _shared(ours: Counter[Any], theirs: Counter[Any]) -> int:
    fewer, more = (ours, theirs) if len(ours) < len(theirs) else (theirs, ours)
    return sum(min(count, more[ngram]) for ngram, count in fewer.items() if ngram in more)


def _union_length(target: Summary, summary: Summary) -> int:
    """Tokens of the target that lie in a common subsequence of two sentences, none counted more
    often than it stands in the summary (as ROUGE-1.5.5 does, beyond the paper)."""
    left = Counter(summary.tokens)
    hits = 0
    for sentence in target.sentences:
        reference = Reference(sentence)
        union = {place for other in summary.sentences for place in reference.common_places(other)}
        for place in union:
            token = sentence[place]
            if left[token] > 0:
                left[token] -= 1
                hits += 1
    return hits


def _take_apart(text: str, tokenize: Tokenize) -> Summary:
    ends = _SENTENCE_ENDS.split(text) if has_single_characters(text) else text.split("\n")
    sentences = [found for sentence in ends if (found := tokenize(sentence))]
    all_tokens = sentences[0] if len(sentences) == 1 else tokenize(text)
    pairs = Counter(pairwise(all_tokens))
    return Summary(all_tokens, (Counter(all_tokens), pairs), sentences)


def _stemming() -> Tokenize:
    """`words`, the ASCII ones of more than three letters cut to their stem as rouge_score does."""
    from nltk.stem.porter import PorterStemmer

    stem = cache(PorterStemmer().stem)

    def tokenize(text: str) -> list[str]:
        return [
            stem(word) if len(word) >= _STEMMED_FROM and word.isascii() else word
            for word in words(text)
        ]

    return tokenize


def _means(sums: FloatArray) -> FloatArray:
    result: FloatArray = sums[..., :-1] / sums[..., -1:]
    return result


def _notes(empty: int, count: int) -> tuple[str, ...]:
    if not empty:
        return ()
    return (f"{empty} of {count} references have neither letters nor digits, and score 0",)


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


ROUGE = MetricEntry(
    name="rouge",
    kind="text",
    settings=RougeSettings,
    numbers=_numbers,
    measure=called_with(rouge),
    description="words and word order shared with reference summaries, in any language",
)
