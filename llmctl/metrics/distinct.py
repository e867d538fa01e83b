"""Distinct-n: how many different n-grams a system says (Li et al. 2016, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.inputs import texts
from llmctl.metrics.text_tokens import tokens
from llmctl.section import Section

_ORDERS = (1, 2, 3)
_NUMBERS = tuple(Number(f"distinct_{order}", 0.0, 1.0, unit="0-1") for order in _ORDERS)


class DistinctSettings(Section):
    """Nothing to set: tokens are words and signs; of Chinese, Japanese and Korean characters."""


def distinct(predictions: Sequence[str]) -> Measured:
    """Different n-grams of all predictions together, divided by all their tokens, 0 to 1.

    It falls as more text is looked at, so that only sets of the same size can be compared.

    Returns:
        `distinct_1`, `distinct_2`, `distinct_3`. Statistics of an example: its place among the
        predictions, and its tokens. They are not resampled: a text drawn twice says nothing new.

    >>> distinct(["a b a", "b a"]).values()
    {'distinct_1': 0.4, 'distinct_2': 0.4, 'distinct_3': 0.2}
    """
    said = [tokens(text) for text in texts(predictions)]
    ngrams = [[_ngrams(text, order) for text in said] for order in _ORDERS]

    def of_rows(rows: FloatArray) -> FloatArray:
        total = rows[:, 1].sum()
        if not total:
            return np.full(len(_ORDERS), np.nan)
        places = rows[:, 0].astype(np.int64)
        different = [len(set().union(*(of_order[i] for i in places))) for of_order in ngrams]
        return np.array(different) / total

    statistics = np.array(list(enumerate(map(len, said))), dtype=np.float64)
    return Measured(
        _NUMBERS,
        statistics,
        from_rows=of_rows,
        signature={"tok": "word+sign+cjk-character", "case": "mixed", "version": 1},
        null_reasons={}
        if statistics[:, 1].any()
        else {number.name: "no prediction has a token" for number in _NUMBERS},
        not_resampled="a text that is drawn twice says nothing new, so resamples are less diverse",
    )


def _ngrams(words: Sequence[str], order: int) -> set[tuple[str, ...]]:
    return set(zip(*(words[start:] for start in range(order)), strict=False))


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


DISTINCT = MetricEntry(
    name="distinct",
    kind="text",
    settings=DistinctSettings,
    numbers=_numbers,
    measure=lambda predictions, _references, _settings: distinct(predictions),
    description="different n-grams among all tokens of the predictions",
    needs_references=False,
)
