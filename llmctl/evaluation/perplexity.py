"""From summed log-likelihoods to perplexity and bits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from llmctl.evaluation.outcome import Examples, Metric, finite_metric
from llmctl.evaluation.paired_tests import FloatArray, Pairs

if TYPE_CHECKING:  # which needs torch; comparing two results does not
    from llmctl.evaluation.likelihood import Likelihoods

PERPLEXITY_METRICS = (
    "perplexity", "loss", "bits_per_byte", "bits_per_character", "sum_log_likelihood",
    "tokens_scored", "tokens_total", "documents", "non_finite",
)  # fmt: skip

BITS = ("bits_per_byte", "bits_per_character")
LIKELIHOOD = "likelihood"
LIKELIHOOD_NUMBERS = ("perplexity", "loss", *BITS)
"""Those that follow from the sums of each document."""


def perplexity_metrics(
    likelihoods: Likelihoods,
    *,
    tokens_total: int,
    documents: int,
    text_bytes: int | None,
    characters: int | None,
) -> list[Metric]:
    """All numbers of the task, in the order of `PERPLEXITY_METRICS`.

    loss = -sum of log-likelihoods / tokens scored (nats), perplexity = exp(loss), and
    bits per byte = -sum / (ln 2 × UTF-8 bytes of the text), which unlike the others can be compared
    between tokenizers. Characters are Unicode code points.

    Args:
        text_bytes, characters: of the documents; None where they are not known.
    """
    total, tokens = likelihoods.total, likelihoods.tokens
    loss = -total / tokens if tokens else math.nan
    reason = f"{likelihoods.non_finite:,} tokens have no finite log-likelihood"
    return [
        finite_metric(
            "perplexity", exponential(loss), "", higher_is_better=False,
            null_reason=reason if likelihoods.non_finite else "too large for a float",
        ),
        finite_metric("loss", loss, "nats/token", higher_is_better=False, null_reason=reason),
        bits_metric("bits_per_byte", "bits/byte", total, text_bytes, reason),
        bits_metric("bits_per_character", "bits/character", total, characters, reason),
        finite_metric(
            "sum_log_likelihood", total, "nats", higher_is_better=True, null_reason=reason
        ),
        Metric("tokens_scored", tokens),
        Metric("tokens_total", tokens_total),
        Metric("documents", documents),
        Metric("non_finite", likelihoods.non_finite, "tokens"),
    ]  # fmt: skip


def exponential(loss: float) -> float:
    """e to the loss; infinite where that is beyond floats."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def bits_metric(name: str, unit: str, total: float, units: int | None, reason: str) -> Metric:
    """A summed log-likelihood in bits for each of so many bytes or characters of text."""
    if not units:
        why = "the length of the text is not known" if units is None else "the text is empty"
        return Metric(name, None, unit, higher_is_better=False, null_reason=why)
    bits = -total / (math.log(2) * units)
    return finite_metric(name, bits, unit, higher_is_better=False, null_reason=reason)


def likelihood_examples(
    likelihoods: Likelihoods, text_bytes: int | None, characters: int | None
) -> Examples:
    """What each document, or stream of them, was found to be: enough to test two models on it."""
    rows = [
        {"log_likelihood": float(total), "tokens": int(tokens)}
        for total, tokens in zip(
            likelihoods.by_sequence, likelihoods.tokens_by_sequence, strict=True
        )
    ]
    settings = {"bytes": text_bytes, "characters": characters}
    return Examples(rows, {LIKELIHOOD: {"numbers": LIKELIHOOD_NUMBERS, "settings": settings}})


def likelihood_pairs(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], how: Mapping[str, Any]
) -> Pairs:
    """Two models on the same documents, for `LIKELIHOOD_NUMBERS`.

    >>> rows = [{"log_likelihood": -2.0, "tokens": 2}, {"log_likelihood": -4.0, "tokens": 1}]
    >>> how = {"settings": {"bytes": 6, "characters": None}}
    >>> loss = likelihood_pairs(rows, rows, how).of(np.array([[-2.0, 2.0], [-4.0, 1.0]]))[1]
    >>> float(loss)  # 6 nats over 3 tokens
    2.0
    """
    units = [how["settings"][name] or math.nan for name in ("bytes", "characters")]

    def numbers(sums: FloatArray) -> FloatArray:
        total, tokens = sums[..., 0], sums[..., 1]
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            loss = -total / tokens
            bits = [-total / (math.log(2) * unit) for unit in units]
            return np.stack([np.exp(loss), loss, *bits], axis=-1)

    statistics = [
        np.array([[row["log_likelihood"], row["tokens"]] for row in rows], dtype=np.float64)
        for rows in (first, second)
    ]
    return Pairs(statistics[0], statistics[1], from_sums=numbers)
