"""Log-likelihoods agree with closed forms, whatever the batch, the padding and the windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from llmctl.evaluation import likelihood
from llmctl.evaluation.likelihood import Likelihoods, ScoringModel, score_sequences
from llmctl.evaluation.sequences import joined, one_each
from llmctl.evaluation.windows import Window, rolling_windows, strided_windows

CPU = torch.device("cpu")
TRANSITIONS = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
ROUNDING = 1e-6
"""Relative: float32 sums of a few hundred terms, added up in another order."""


def bigram_model(table: torch.Tensor) -> ScoringModel:
    """p(next | previous) = table[previous, next], exactly."""
    return ScoringModel(lambda ids: table.log()[ids], lambda hidden: hidden, CPU)


def everything(max_length: int = 64) -> Callable[[int], list[Window]]:
    return partial(rolling_windows, max_length=max_length)


def random_documents(seed: int, vocabulary: int, count: int = 12) -> list[NDArray[np.int64]]:
    chance = np.random.default_rng(seed)
    return [chance.integers(0, vocabulary, size=chance.integers(1, 60)) for _ in range(count)]


def gpt2(seed: int = 0, *, bigram: bool = False) -> torch.nn.Module:
    """A two-layer GPT-2; as a `bigram`, attention and positions are zero: it sees one token."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
        if bigram:
            model.transformer.wpe.weight.zero_()
            for block in model.transformer.h:
                block.attn.c_proj.weight.zero_()
                block.attn.c_proj.bias.zero_()
    return model.eval()


def scoring(model: torch.nn.Module) -> ScoringModel:
    return ScoringModel(
        lambda ids: model.transformer(ids).last_hidden_state, model.lm_head, CPU
    )  # fmt: skip


def score(
    model: ScoringModel, documents: list[NDArray[np.int64]], max_length: int, **options: int
) -> Likelihoods:
    return score_sequences(model, one_each(documents, prefix=0), everything(max_length), **options)


def test_a_bigram_model_gives_the_product_of_its_transitions() -> None:
    # 0→1 0.25, 1→1 0.8, 1→2 0.1
    found = score(bigram_model(TRANSITIONS), [np.array([1, 1, 2])], 8)
    assert found.tokens == 3
    assert found.total == pytest.approx(math.log(0.25 * 0.8 * 0.1), rel=ROUNDING)


def test_each_document_starts_after_the_prefix() -> None:
    # 0→2 0.25; 0→0 0.5, 0→1 0.25
    found = score(bigram_model(TRANSITIONS), [np.array([2]), np.array([0, 1])], 8)
    expected = [math.log(0.25), math.log(0.5 * 0.25)]
    assert found.by_sequence == pytest.approx(expected, rel=ROUNDING)
    assert found.tokens_by_sequence.tolist() == [1, 2]


def test_without_a_prefix_the_first_token_is_not_scored() -> None:
    sequences = one_each([np.array([2, 2, 0])], prefix=None)  # 2→2 0.6, 2→0 0.2
    found = score_sequences(bigram_model(TRANSITIONS), sequences, everything())
    assert found.tokens == 2
    assert found.total == pytest.approx(math.log(0.6 * 0.2), rel=ROUNDING)


def test_in_a_stream_the_separators_are_seen_but_not_scored() -> None:
    # stream 0 1 2 0 1: 0→1 0.25, 1→2 0.1, (2→0), 0→1 0.25
    stream = joined([np.array([1, 2]), np.array([1])], prefix=0)
    windows = partial(strided_windows, max_length=2, stride=1)
    found = score_sequences(bigram_model(TRANSITIONS), [stream], windows)
    assert found.tokens == 3
    assert found.total == pytest.approx(math.log(0.25 * 0.1 * 0.25), rel=ROUNDING)


def test_a_uniform_model_has_its_vocabulary_as_perplexity() -> None:
    model = bigram_model(torch.full((7, 7), 1 / 7))
    found = score(model, random_documents(1, 7), 16)
    assert math.exp(-found.total / found.tokens) == pytest.approx(7, rel=ROUNDING)


def test_a_whole_model_agrees_with_its_logits_token_by_token() -> None:
    model = gpt2()
    document = random_documents(2, 50, 1)[0][:20]
    with torch.no_grad():
        logits = model(torch.tensor([[0, *document[:-1]]])).logits[0].double()
    expected = sum(
        float(logits[i, token] - torch.logsumexp(logits[i], -1)) for i, token in enumerate(document)
    )
    assert score(scoring(model), [document], 32).total == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("batch_tokens", [1, 40, 100, 10_000])
def test_batches_and_padding_do_not_matter(batch_tokens: int) -> None:
    model, documents = scoring(gpt2()), random_documents(3, 50)
    alone = [score(model, [document], 32).total for document in documents]
    found = score(model, documents, 32, batch_tokens=batch_tokens)
    assert found.by_sequence == pytest.approx(alone, rel=ROUNDING)


def test_windows_do_matter_to_a_model_that_sees_far() -> None:
    model, documents = scoring(gpt2()), random_documents(4, 50)
    short, long = score(model, documents, 8).total, score(model, documents, 32).total
    assert abs(short - long) > 1.0


@pytest.mark.parametrize(
    "windows",
    [
        partial(rolling_windows, max_length=2),
        partial(rolling_windows, max_length=32),
        partial(rolling_windows, max_length=17, context=16),
        partial(rolling_windows, max_length=32, context=5),
    ],
)
def test_windows_do_not_matter_to_a_model_that_sees_one_token(
    windows: Callable[[int], list[Window]],
) -> None:
    model = gpt2(bigram=True)
    documents = random_documents(5, 50)
    with torch.no_grad():  # each row: the distribution after one token
        table = model(torch.arange(50)[:, None]).logits[:, 0].double().log_softmax(-1)
    expected = sum(
        float(table[[0, *document[:-1]], document].sum()) for document in documents
    )  # fmt: skip
    found = score_sequences(scoring(model), one_each(documents, prefix=0), windows)
    assert found.total == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("stride", [1, 8, 31, 32])
def test_strides_do_not_matter_to_a_model_that_sees_one_token(stride: int) -> None:
    model, documents = scoring(gpt2(bigram=True)), random_documents(6, 50)
    rolling = score(model, documents, 32)
    windows = partial(strided_windows, max_length=32, stride=stride)
    found = score_sequences(model, [joined(documents, prefix=0)], windows)
    assert found.tokens == rolling.tokens
    assert found.total == pytest.approx(rolling.total, rel=ROUNDING)


def test_logits_are_made_a_few_positions_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "_FIRST_POSITIONS", 2)
    monkeypatch.setattr(likelihood, "_LOGITS_AT_ONCE", 5 * 3)
    seen: list[int] = []

    def head(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(len(hidden))
        return hidden

    model = ScoringModel(lambda ids: TRANSITIONS.log()[ids], head, CPU)
    document = np.array([1, 1, 2, 0, 1, 1, 2, 0, 1])
    found = score(model, [document], 16)
    assert seen == [2, 5, 2]
    assert found.total == pytest.approx(
        score(bigram_model(TRANSITIONS), [document], 16).total, rel=ROUNDING
    )


def test_low_precision_logits_are_cast_before_they_are_normalised() -> None:
    table = torch.full((3, 3), 1000.0, dtype=torch.float16)  # exp would overflow
    model = ScoringModel(lambda ids: table[ids], lambda hidden: hidden, CPU)
    found = score(model, [np.array([1, 2, 1])], 8)
    assert found.total == pytest.approx(-3 * math.log(3), rel=ROUNDING)


def test_values_that_are_not_finite_are_counted_and_spoil_the_sum() -> None:
    table = TRANSITIONS.clone()
    table[1, 2] = math.nan
    found = score(bigram_model(table), [np.array([1, 0]), np.array([1, 2, 0])], 8)
    # Every prediction made from token 1 is NaN: one in each document.
    assert found.non_finite == 2
    assert math.isnan(found.total)


def test_progress_counts_every_scored_token() -> None:
    done: list[int] = []
    documents = random_documents(7, 3)
    score_sequences(
        bigram_model(TRANSITIONS), one_each(documents, prefix=0), everything(8),
        batch_tokens=16, on_progress=done.append,
    )  # fmt: skip
    assert len(done) > 1
    assert sum(done) == sum(len(document) for document in documents)
