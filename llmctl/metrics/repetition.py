"""Repetition: how much of a text it has said before (seq-rep-n, Welleck et al. 2020, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.inputs import texts
from llmctl.metrics.text_tokens import tokens
from llmctl.section import Section

_NUMBERS = (Number("repetition", 0.0, 1.0, higher_is_better=False, unit="0-1"),)


class RepetitionSettings(Section):
    """Tokens are words and signs; of Chinese, Japanese and Korean single characters."""

    size: int = Field(4, ge=1, description="Tokens of the n-grams that are looked for")


def repetition(predictions: Sequence[str], *, size: int = 4) -> Measured:
    """The share of n-grams that stood in the same text before, 0 to 1: a mean over texts.

    Args:
        size: n, in tokens.

    Returns:
        `repetition`. Statistics of an example: its share, and whether it has an n-gram at all; a
        text without one is left out.

    >>> repetition(["a b a b a b"], size=2).values()  # of five pairs, three for the second time
    {'repetition': 0.6}
    """
    said = [tokens(text) for text in texts(predictions)]
    statistics = np.zeros((len(said), 2))
    for row, words in enumerate(said):
        count = len(words) - size + 1
        if count > 0:
            different = len(set(zip(*(islice(words, s, None) for s in range(size)), strict=False)))
            statistics[row] = 1 - different / count, 1
    short = len(said) - int(statistics[:, 1].sum())
    return Measured(
        _NUMBERS,
        statistics,
        from_sums=_mean,
        signature={"n": size, "tok": "word+sign+cjk-character", "case": "mixed", "version": 1},
        null_reasons={"repetition": f"no prediction has {size} tokens"}
        if short == len(said)
        else {},
        notes=(f"{short} of {len(said)} predictions have fewer than {size} tokens: left out",)
        if short
        else (),
    )


def _mean(sums: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: FloatArray = sums[..., :1] / sums[..., 1:]
    return result


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


REPETITION = MetricEntry(
    name="repetition",
    kind="text",
    settings=RepetitionSettings,
    numbers=_numbers,
    measure=lambda predictions, _references, settings: repetition(predictions, **dict(settings)),
    description="share of n-grams that a prediction has said before",
    needs_references=False,
)
