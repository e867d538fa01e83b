"""The task `perplexity`: how well a causal model predicts text, every token scored once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmctl import console
from llmctl.data.shard_meta import read_meta
from llmctl.errors import UsageError
from llmctl.evaluation.likelihood import Likelihoods, ScoringModel, score_sequences
from llmctl.evaluation.outcome import Metric, Outcome, signature_text
from llmctl.evaluation.perplexity import (
    BITS,
    PERPLEXITY_METRICS,
    likelihood_examples,
    perplexity_metrics,
)
from llmctl.evaluation.sequences import TokenSequence, joined, one_each, scored_counts
from llmctl.evaluation.settings import PerplexitySettings
from llmctl.evaluation.windows import Window, rolling_windows, strided_windows
from llmctl.models.causal import CausalLogits
from llmctl.models.load import (
    find_tokenizer,
    maximum_positions,
    model_folder,
    quiet_transformers,
    read_architecture,
)
from llmctl.pipelines.evaluation_data import TokenizedText, tokenized_text
from llmctl.pipelines.evaluation_model import (
    BATCH_TOKENS,
    check_head,
    check_ids,
    describe_model,
    describe_tokenizer,
    load_to_evaluate,
    memory_errors,
    say_non_finite,
    signature_end,
    window_length,
)
from llmctl.pipelines.evaluation_run_data import training_folders
from llmctl.pipelines.evaluation_tasks import EvaluationRequest, EvaluationTask
from llmctl.pipelines.evaluation_yardsticks import Guessing, guessers, yardstick_sources
from llmctl.tokenization.load import Vocabulary, load_tokenizer, make_encoder, vocabulary_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Windows = Callable[[int], list[Window]]


def evaluate_perplexity(request: EvaluationRequest) -> Outcome:
    """Perplexity, bits per byte and character, and what a uniform and a unigram guess reach.

    Raises:
        UsageError: settings that the model cannot serve, or a model that is not causal.
        DataError: no text, or ids that the model has no embedding for.
    """
    settings: PerplexitySettings = request.settings
    folder = model_folder(request.model)
    check_head(request.model, "causal")
    positions = maximum_positions(read_architecture(folder))
    max_length = window_length(settings.max_length, positions)
    windows = _window_rule(settings, max_length)
    tokenizer_name = request.tokenizer or str(find_tokenizer(request.model))
    tokenizer = load_tokenizer(tokenizer_name)
    vocabulary = vocabulary_of(tokenizer)
    text = tokenized_text(request, make_encoder(tokenizer), vocabulary.sha256)
    training = training_folders(request.model)
    prefix = _prefix(settings, vocabulary, text, training)
    sources = yardstick_sources(request.yardstick_data, training, vocabulary)
    model = load_to_evaluate(request.model, "causal", device=settings.device, dtype=settings.dtype)
    before = [] if prefix is None else [np.array([prefix])]
    check_ids([*before, *text.documents], model, folder, tokenizer_name)
    sequences = (
        one_each(text.documents, prefix)
        if settings.window == "rolling"
        else [joined(text.documents, prefix)]
    )
    counts = scored_counts(sequences, vocabulary.size)
    guessing = Guessing("perplexity", vocabulary, counts, sources, sequences, prefix)
    yardsticks = guessers(settings.yardstick, guessing) if counts.any() else []
    likelihoods = _score(model, sequences, windows, settings)
    signature = _signature(settings, max_length, prefix, vocabulary, text, model)
    metrics = perplexity_metrics(
        likelihoods, tokens_total=text.tokens, documents=len(text.documents),
        text_bytes=text.text_bytes, characters=text.characters,
    )  # fmt: skip
    return Outcome(
        metrics=[_by_text(metric, signature, prefix) for metric in metrics],
        signature=signature,
        yardsticks=yardsticks,
        notes=_notes(text, likelihoods, positions, max_length, settings),
        undecided=say_non_finite(likelihoods.non_finite, likelihoods.tokens),
        model=describe_model(model, request.model, folder, positions),
        tokenizer=describe_tokenizer(tokenizer_name, vocabulary),
        data=text.description,
        examples=None if likelihoods.non_finite else likelihood_examples(
            likelihoods, text.text_bytes, text.characters
        ),
        resolved={
            "max_length": max_length, "stride": _stride(settings, max_length), "prefix": prefix,
            "device": str(model.device),
        },
    )  # fmt: skip


PERPLEXITY = EvaluationTask(
    PERPLEXITY_METRICS, evaluate_perplexity, PerplexitySettings, ("uniform", "unigram", "ngram")
)


def _window_rule(settings: PerplexitySettings, max_length: int) -> Windows:
    stride = _stride(settings, max_length)
    if stride is None:
        rule: Windows = partial(rolling_windows, max_length=max_length, context=settings.context)
    else:
        rule = partial(strided_windows, max_length=max_length, stride=stride)
    rule(0)  # raises now, before the model is loaded, if the numbers do not fit
    return rule


def _stride(settings: PerplexitySettings, max_length: int) -> int | None:
    """The stride of strided windows, half a window unless said otherwise; None for rolling ones."""
    if settings.window == "rolling":
        return None
    return settings.stride or max(1, max_length // 2)


def _prefix(
    settings: PerplexitySettings,
    vocabulary: Vocabulary,
    text: TokenizedText,
    training: Sequence[Path],
) -> int | None:
    """The id put before each document. A model knows the one that ended documents in training."""
    if settings.prefix == "none":
        return None
    if settings.prefix != "auto":
        chosen = vocabulary.bos_id if settings.prefix == "bos" else vocabulary.eos_id
        if chosen is None:
            raise UsageError(
                f"the tokenizer has no {settings.prefix.upper()}", hint="--prefix auto"
            )
        return chosen
    if text.end_of_document_id is not None:
        return text.end_of_document_id
    if training:
        return read_meta(training[0]).end_of_document_id
    return vocabulary.bos_id if vocabulary.bos_id is not None else vocabulary.eos_id


def _score(
    model: PreTrainedModel, sequences: list[TokenSequence], windows: Windows,
    settings: PerplexitySettings,
) -> Likelihoods:  # fmt: skip
    total = sum(int(sequence.scored.sum()) for sequence in sequences)
    batch_tokens = settings.batch_tokens or BATCH_TOKENS[model.device.type]
    with (
        memory_errors(batch_tokens),
        console.progress("scoring", total, "tokens") as progress,
        quiet_transformers(),
    ):
        return score_sequences(
            _in_two_parts(model), sequences, windows,
            batch_tokens=batch_tokens, on_progress=progress.advance,
        )  # fmt: skip


def _in_two_parts(model: PreTrainedModel) -> ScoringModel:
    whole = CausalLogits(model)
    if not whole.head_apart:
        return ScoringModel(whole, lambda logits: logits, model.device)
    body = partial(model.base_model, use_cache=False)
    head = model.get_output_embeddings()
    return ScoringModel(lambda ids: body(input_ids=ids).last_hidden_state, head, model.device)


def _signature(
    settings: PerplexitySettings, max_length: int, prefix: int | None, vocabulary: Vocabulary,
    text: TokenizedText, model: PreTrainedModel,
) -> dict[str, object]:  # fmt: skip
    names = {vocabulary.bos_id: "bos", vocabulary.eos_id: "eos", None: "none"}
    stride = _stride(settings, max_length)
    return {
        "window": settings.window,
        **({"context": settings.context} if stride is None else {"stride": stride}),
        "max_length": max_length,
        "bos": names.get(prefix, prefix),
        **signature_end(model, vocabulary, text),
    }


def _by_text(metric: Metric, signature: Mapping[str, object], prefix: int | None) -> Metric:
    """Bits per byte and character do not depend on what the tokens are: other tokenizers may be
    compared by them."""
    if metric.name not in BITS:
        return metric
    own = {name: part for name, part in signature.items() if name not in ("tokenizer", "bos")}
    own["first_token"] = "not scored" if prefix is None else "scored"
    return replace(metric, signature=signature_text("bits", own))


def _notes(
    text: TokenizedText, likelihoods: Likelihoods, positions: int | None, max_length: int,
    settings: PerplexitySettings,
) -> list[str]:  # fmt: skip
    notes = []
    unscored = text.tokens - likelihoods.tokens
    if unscored:
        notes.append(
            f"{unscored:,} of {text.tokens:,} tokens have nothing before them to be predicted from "
            "and are not scored; bits per byte and character leave them out of the sum only"
        )
    if settings.max_length is None and positions is not None and positions > max_length:
        notes.append(
            f"windows of {max_length:,} tokens; the model can take {positions:,}: --max-length"
        )
    return notes
