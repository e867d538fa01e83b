"""From summed log-likelihoods to perplexity and bits, and what a guesser would reach."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from llmctl.errors import DataError
from llmctl.evaluation.likelihood import Likelihoods
from llmctl.evaluation.outcome import Metric, Yardstick, finite_metric

PERPLEXITY_METRICS = (
    "perplexity", "loss", "bits_per_byte", "bits_per_character", "sum_log_likelihood",
    "tokens_scored", "tokens_total", "documents", "non_finite",
)  # fmt: skip


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
            "perplexity", _exp(loss), "", higher_is_better=False,
            null_reason=reason if likelihoods.non_finite else "too large for a float",
        ),
        finite_metric("loss", loss, "nats/token", higher_is_better=False, null_reason=reason),
        _bits("bits_per_byte", "bits/byte", total, text_bytes, reason),
        _bits("bits_per_character", "bits/character", total, characters, reason),
        finite_metric(
            "sum_log_likelihood", total, "nats", higher_is_better=True, null_reason=reason
        ),
        Metric("tokens_scored", tokens),
        Metric("tokens_total", tokens_total),
        Metric("documents", documents),
        Metric("non_finite", likelihoods.non_finite, "tokens"),
    ]  # fmt: skip


def uniform_yardstick(vocabulary_size: int) -> Yardstick:
    """Every token equally likely: the perplexity is the size of the vocabulary.

    >>> uniform_yardstick(8192).value
    8192.0
    """
    return Yardstick(
        "uniform", "perplexity", float(vocabulary_size),
        f"every one of the {vocabulary_size:,} tokens equally likely",
    )  # fmt: skip


def unigram_yardstick(
    training_counts: NDArray[np.int64], scored_counts: NDArray[np.int64]
) -> Yardstick:
    """Every token as likely as it was frequent in training, whatever comes before it.

    p(t) = (count of t + 1) / (training tokens + V), add-one smoothing; scored on the very tokens
    that the model was scored on.

    Args:
        training_counts: how often each id occurs in the training data, [V].
        scored_counts: how often each id was scored, [V or fewer].

    Raises:
        DataError: a scored id is beyond the counts, so they belong to another tokenizer.

    >>> counts = np.array([3, 1]), np.array([1, 1])  # p = 4/6, 2/6
    >>> round(unigram_yardstick(*counts).value ** 2, 6)  # 1 / (4/6 * 2/6)
    4.5
    """
    size = len(training_counts)
    if scored_counts[size:].any():
        highest = int(np.flatnonzero(scored_counts)[-1])
        raise DataError(
            f"the training counts are of {size:,} ids, but id {highest:,} was scored: "
            "they belong to another tokenizer"
        )
    counts = training_counts.astype(np.float64)
    scored = np.zeros(size, dtype=np.float64)
    scored[: len(scored_counts)] = scored_counts[:size]
    log_p = np.log(counts + 1) - math.log(counts.sum() + size)
    loss = -math.fsum(scored * log_p) / scored.sum()
    return Yardstick(
        "unigram", "perplexity", math.exp(loss),
        f"token frequencies of {int(counts.sum()):,} training tokens, add-one smoothing over "
        f"{size:,} ids, scored on the same tokens",
    )  # fmt: skip


def _exp(loss: float) -> float:
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def _bits(name: str, unit: str, total: float, units: int | None, reason: str) -> Metric:
    if not units:
        why = "the length of the text is not known" if units is None else "the text is empty"
        return Metric(name, None, unit, higher_is_better=False, null_reason=why)
    bits = -total / (math.log(2) * units)
    return finite_metric(name, bits, unit, higher_is_better=False, null_reason=reason)
