"""BLEU: n-grams shared with reference translations (Papineni et al. 2002), by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.bleu_tokenizer import Tokenizer, choose_tokenizer
from llmctl.metrics.entry import MetricEntry, called_with
from llmctl.metrics.inputs import text_pairs
from llmctl.metrics.languages import count_letters
from llmctl.metrics.sacrebleu_statistics import segment_statistics, signature_of
from llmctl.section import Section

_NUMBERS = (Number("bleu", 0.0, 100.0, unit="0-100"),)
_ORDERS = 4
_MANY = 100


class BleuSettings(Section):
    """BLEU as sacreBLEU has it; four orders, exponential smoothing."""

    language: str = Field(
        "auto", description="Language of the texts, such as zh; auto: by the letters of the "
        "references",
    )  # fmt: skip
    tokenizer: Tokenizer = Field(
        "auto", description="sacreBLEU's tokenizer. auto: zh for Chinese, ja-mecab and ko-mecab "
        "where they are installed (else char), 13a for every other language",
    )  # fmt: skip
    lowercase: bool = Field(False, description="Case makes no difference")


def bleu(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str | None]],
    *,
    language: str = "auto",
    tokenizer: str = "auto",
    lowercase: bool = False,
) -> Measured:
    """Corpus BLEU, 0 to 100, equal to sacreBLEU's.

    Args:
        references: for each prediction a string or a list of them.
        language, tokenizer, lowercase: see `BleuSettings`.

    Returns:
        `bleu`. Statistics of an example: its length in tokens, that of the reference nearest in
        length, and its correct and all n-grams for n from 1 to 4.

    >>> found = bleu(["the cat sat on the mat"], [["the cat sat on a mat", "a cat"]])
    >>> round(found.values()["bleu"], 2)
    53.73
    """
    from sacrebleu.metrics.bleu import BLEU as SacreBLEU

    pairs = text_pairs(predictions, references)
    letters = count_letters(text for _, given in pairs for text in given)
    name, notes = choose_tokenizer(tokenizer, language, letters)
    counted_by = SacreBLEU(tokenize=name, lowercase=lowercase, force=True)
    statistics = segment_statistics(counted_by, pairs)
    return Measured(
        _NUMBERS,
        statistics,
        from_sums=_bleu_of_sums,
        signature=signature_of(counted_by),
        notes=(*notes, *_notes_on(pairs, statistics)),
    )


def _bleu_of_sums(sums: FloatArray) -> FloatArray:
    """BLEU [..., 1] of summed statistics [..., 10].

    The first order without a correct n-gram counts as half a correct one, the next as a quarter,
    and so on (method 3 of Chen & Cherry 2014; NIST's mteval-v13a).
    """
    length, reference_length = sums[..., 0], sums[..., 1]
    correct, total = sums[..., 2 : 2 + _ORDERS], sums[..., 2 + _ORDERS :]
    none = correct == 0
    counted = np.where(none, 0.5 ** np.cumsum(none, axis=-1), correct)
    exists = (total > 0).all(-1) & ~none.all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(counted / total).mean(-1))
        brevity = np.where(length < reference_length, np.exp(1 - reference_length / length), 1.0)
        score: FloatArray = np.where(exists, 100 * brevity * precision, 0.0)[..., None]
    return score


def _notes_on(pairs: Sequence[tuple[str, list[str]]], statistics: FloatArray) -> list[str]:
    notes = []
    if not statistics[:, -1].any():
        notes.append("no prediction has four tokens: BLEU is then 0, whatever they say; try chrf")
    detached = sum(hypothesis.endswith(" .") for hypothesis, _ in pairs)
    if detached >= _MANY:
        notes.append(
            f"{detached} predictions end in a full stop after a blank: BLEU takes text as people "
            "write it, not split into tokens"
        )
    return notes


def _numbers(_settings: Any) -> tuple[Number, ...]:
    return _NUMBERS


BLEU = MetricEntry(
    name="bleu",
    kind="text",
    settings=BleuSettings,
    numbers=_numbers,
    measure=called_with(bleu),
    description="n-grams shared with reference translations (sacreBLEU)",
)
