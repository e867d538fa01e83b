"""TER: edits that turn a prediction into a reference (Snover et al. 2006), by sacreBLEU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry, called_with
from llmctl.metrics.inputs import text_pairs
from llmctl.metrics.languages import count_letters, language_of, why
from llmctl.metrics.sacrebleu_statistics import segment_statistics, signature_of
from llmctl.section import Section

_NUMBERS = (Number("ter", 0.0, math.inf, higher_is_better=False, unit="% edits"),)
_ENOUGH_TO_WARN = 0.02


class TerSettings(Section):
    """TER as sacreBLEU has it."""

    language: str = Field(
        "auto", description="Language of the texts, such as zh; auto: by the letters of the "
        "references",
    )  # fmt: skip
    normalized: bool | None = Field(
        None, description="Split punctuation off; None: in Chinese and Japanese only"
    )
    asian_support: bool | None = Field(
        None, description="With normalized: each Han character is a word of its own; None: in "
        "Chinese and Japanese only",
    )  # fmt: skip
    no_punct: bool = Field(False, description="Leave punctuation out")
    case_sensitive: bool = Field(False, description="Case makes a difference")


def ter(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    language: str = "auto",
    normalized: bool | None = None,
    asian_support: bool | None = None,
    no_punct: bool = False,
    case_sensitive: bool = False,
) -> Measured:
    """Corpus TER, in per cent of the references' words, equal to sacreBLEU's. Lower is better.

    Args:
        references: for each prediction a string or a list of them; the nearest one counts, and
            their mean length.
        language and the rest: see `TerSettings`.

    Returns:
        `ter`. Statistics of an example: edits (insertions, deletions, substitutions, and shifts
        of a phrase), and words of its references on average.

    >>> ter(["the cat sat"], ["the cat sat down"]).values()
    {'ter': 25.0}
    """
    from sacrebleu.metrics.ter import TER as SacreTER

    pairs = text_pairs(predictions, references)
    letters = count_letters(text for _, given in pairs for text in given)
    spoken = language_of(language, letters)
    unspaced = spoken in ("zh", "ja")
    splits = asian_support if asian_support is not None else unspaced
    normalizes = normalized if normalized is not None else unspaced
    counted_by = SacreTER(
        normalized=normalizes,
        no_punct=no_punct,
        asian_support=splits,
        case_sensitive=case_sensitive,
    )
    notes = []
    if language == "auto" and unspaced and splits and normalizes:
        notes.append(f"Han characters are words, since {why(spoken, letters)}")
    if not (splits and normalizes) and letters.unspaced_share >= _ENOUGH_TO_WARN:
        notes.append(
            f"{letters.unspaced_share:.0%} of the letters in the references are Chinese or "
            "Japanese, and a whole clause of them counts as one word; normalized and "
            "asian_support part them"
        )
    return Measured(
        _NUMBERS,
        segment_statistics(counted_by, pairs),
        from_sums=_ter_of_sums,
        signature=signature_of(counted_by),
        notes=tuple(notes),
    )


def _ter_of_sums(sums: FloatArray) -> FloatArray:
    """TER [..., 1] of summed edits and words [..., 2]; any edit of no words is 100."""
    edits, words = sums[..., :1], sums[..., 1:]
    share = np.where(words > 0, edits / np.where(words > 0, words, 1.0), edits > 0)
    result: FloatArray = 100 * share
    return result


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


TER = MetricEntry(
    name="ter",
    kind="text",
    settings=TerSettings,
    numbers=_numbers,
    measure=called_with(ter),
    description="edits that turn a prediction into a reference, in per cent (sacreBLEU)",
)
