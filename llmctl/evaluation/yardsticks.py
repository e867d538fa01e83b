"""What simple guessers reach on the tokens that a model was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmctl.errors import DataError
from llmctl.evaluation.ngram import NgramModel, join_sequences
from llmctl.evaluation.outcome import Yardstick
from llmctl.evaluation.sequences import TokenSequence

Counts = NDArray[np.int64]


def uniform_yardstick(vocabulary_size: int, metric: str = "perplexity") -> Yardstick:
    """Every token equally likely: the perplexity is the size of the vocabulary.

    >>> uniform_yardstick(8192).value
    8192.0
    """
    return Yardstick(
        "uniform", metric, float(vocabulary_size),
        f"every one of the {vocabulary_size:,} tokens equally likely",
    )  # fmt: skip


def unigram_yardstick(
    training_counts: Counts, scored_counts: Counts, metric: str = "perplexity"
) -> Yardstick:
    """Every token as likely as it was frequent in training, whatever is around it.

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
    tokens = int(training_counts.sum())
    return Yardstick(
        "unigram", metric, math.exp(unigram_loss(training_counts, scored_counts[:size])),
        f"token frequencies of {tokens:,} training tokens, add-one smoothing over {size:,} ids, "
        "scored on the same tokens",
        {"training_tokens": tokens},
    )  # fmt: skip


def unigram_loss(training_counts: Counts, scored_counts: Counts) -> float:
    """Nats per scored token of a guess by frequency alone, one added to each count.

    Args:
        training_counts: how often each id occurs in the training data, [V].
        scored_counts: how often each id was scored, [V or fewer]; at least one was.

    >>> round(unigram_loss(np.array([2, 0]), np.array([1, 1])), 4)  # 3/4 and 1/4
    0.837
    """
    size = len(training_counts)
    counts = training_counts.astype(np.float64)
    scored = np.zeros(size, dtype=np.float64)
    scored[: len(scored_counts)] = scored_counts
    log_p = np.log(counts + 1) - math.log(counts.sum() + size)
    return -math.fsum(scored * log_p) / float(scored.sum())


def ngram_yardstick(
    model: NgramModel, sequences: Sequence[TokenSequence], prefix: int | None, trained_on: str
) -> Yardstick:
    """Every token as likely as a Kneser-Ney model finds it after the last few tokens.

    Args:
        sequences: what the model was scored on; each document's tokens are seen from `prefix` on,
            which stands for the start of a document in training, too.
        trained_on: the training text, for the reader.
    """
    joined = join_sequences([sequence.tokens for sequence in sequences])
    scored = join_sequences([sequence.scored.astype(np.int8) for sequence in sequences]) == 1
    if prefix is not None:
        joined[~scored & (joined == prefix)] = model.border
    loss = -math.fsum(model.log_probabilities(joined)[scored]) / scored.sum()
    return Yardstick(
        "ngram", "perplexity", math.exp(loss),
        f"interpolated modified Kneser-Ney of order {model.order} on {model.training_tokens:,} "
        f"training tokens ({trained_on}), scored on the same tokens",
        {"order": model.order, "training_tokens": model.training_tokens},
    )  # fmt: skip
