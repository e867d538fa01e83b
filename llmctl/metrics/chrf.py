"""chrF and chrF++: character n-grams shared with references (Popović 2015, 2017), by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry, called_with
from llmctl.metrics.inputs import text_pairs
from llmctl.metrics.sacrebleu_statistics import segment_statistics, signature_of
from llmctl.section import Section

_CHRF = Number("chrf", 0.0, 100.0, unit="0-100")
_CHRF_PLUS_PLUS = Number("chrf_plus_plus", 0.0, 100.0, unit="0-100")
_RECALL_WEIGHT = 2.0**2
"""Beta squared: recall weighs twice as much as precision."""


class ChrfSettings(Section):
    """chrF as sacreBLEU has it: six orders of characters, blanks left out."""

    lowercase: bool = Field(False, description="Case makes no difference")


def chrf(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    lowercase: bool = False,
) -> Measured:
    """Corpus chrF2, 0 to 100, equal to sacreBLEU's. It needs no tokenizer, in any language.

    Args:
        references: for each prediction a string or a list of them; the best one counts.
        lowercase: case makes no difference.

    Returns:
        `chrf`. Statistics of an example: for each order the n-grams of the prediction, of the
        reference, and those they share.

    >>> round(chrf(["the cat"], ["the cat sat"]).values()["chrf"], 2)
    55.77
    """
    return _measure(_CHRF, predictions, references, word_order=0, lowercase=lowercase)


def chrf_plus_plus(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    lowercase: bool = False,
) -> Measured:
    """Corpus chrF++, 0 to 100: chrF with words and pairs of words besides. See `chrf`.

    Words are what stands between blanks, so it is of no use for Chinese and Japanese.
    """
    return _measure(_CHRF_PLUS_PLUS, predictions, references, word_order=2, lowercase=lowercase)


def _measure(
    number: Number,
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    word_order: int,
    lowercase: bool,
) -> Measured:
    from sacrebleu.metrics.chrf import CHRF as SacreCHRF

    pairs = text_pairs(predictions, references)
    counted_by = SacreCHRF(word_order=word_order, lowercase=lowercase)
    statistics = segment_statistics(counted_by, pairs)
    return Measured(
        (number,), statistics, from_sums=_chrf_of_sums, signature=signature_of(counted_by)
    )


def _chrf_of_sums(sums: FloatArray) -> FloatArray:
    """chrF [..., 1] of summed statistics [..., 3 · orders]: F of the mean precision and recall.

    Orders of which the predictions or the references have no n-gram are left out of both means.
    """
    in_hypothesis, in_reference, shared = (sums[..., part::3] for part in range(3))
    known = (in_hypothesis > 0) & (in_reference > 0)
    orders = np.maximum(known.sum(-1), 1)
    precision = np.where(known, shared / np.maximum(in_hypothesis, 1), 0.0).sum(-1) / orders
    recall = np.where(known, shared / np.maximum(in_reference, 1), 0.0).sum(-1) / orders
    weighed = _RECALL_WEIGHT * precision + recall
    score = (1 + _RECALL_WEIGHT) * precision * recall / np.where(weighed > 0, weighed, 1.0)
    result: FloatArray = 100 * score[..., None]
    return result


def _chrf_numbers(_settings: Any) -> tuple[Number, ...]:
    return (_CHRF,)


def _chrf_plus_plus_numbers(_settings: Any) -> tuple[Number, ...]:
    return (_CHRF_PLUS_PLUS,)


CHRF = MetricEntry(
    name="chrf",
    kind="text",
    settings=ChrfSettings,
    numbers=_chrf_numbers,
    measure=called_with(chrf),
    description="character n-grams shared with references (chrF2 of sacreBLEU)",
)
CHRF_PLUS_PLUS = MetricEntry(
    name="chrf_plus_plus",
    kind="text",
    settings=ChrfSettings,
    numbers=_chrf_plus_plus_numbers,
    measure=called_with(chrf_plus_plus),
    description="character and word n-grams shared with references (chrF2++ of sacreBLEU)",
)
