"""The task `seq2seq-perplexity`: how well an encoder-decoder predicts targets from sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmctl import console
from llmctl.errors import DataError, UsageError
from llmctl.evaluation.likelihood import Likelihoods
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.perplexity import likelihood_examples
from llmctl.evaluation.seq2seq_likelihood import (
    SEQ2SEQ_METRICS,
    Pair,
    Seq2SeqModel,
    score_pairs,
    seq2seq_metrics,
)
from llmctl.evaluation.settings import Seq2SeqSettings
from llmctl.marks import PART_END, PART_SEPARATOR
from llmctl.models.families import maximum_row
from llmctl.models.heads import wrap
from llmctl.models.load import find_tokenizer, model_folder, quiet_transformers
from llmctl.pipelines.evaluation_data import TokenizedText, tokenized_text
from llmctl.pipelines.evaluation_model import (
    BATCH_TOKENS,
    check_ids,
    describe_model,
    describe_tokenizer,
    load_to_evaluate,
    memory_errors,
    say_non_finite,
    signature_end,
)
from llmctl.pipelines.evaluation_run_data import training_folders
from llmctl.pipelines.evaluation_tasks import EvaluationRequest, EvaluationTask
from llmctl.pipelines.evaluation_yardsticks import Guessing, guessers, yardstick_sources
from llmctl.pipelines.masked_model import special_frame
from llmctl.tokenization.annotate import make_annotator
from llmctl.tokenization.load import Vocabulary, load_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_COLUMNS = ["source", "target"]


def evaluate_seq2seq(request: EvaluationRequest) -> Outcome:
    """Perplexity of each row's target given its source; the end of the target counts.

    Raises:
        UsageError: a model that is no encoder-decoder, or settings that it cannot serve.
        InputMissing, DataError: no pairs, or ids that the model has no embedding for.
    """
    settings: Seq2SeqSettings = request.settings
    request = _with_columns(request)
    folder = model_folder(request.model)
    model = load_to_evaluate(request.model, "seq2seq", device=settings.device, dtype=settings.dtype)
    tokenizer_name = request.tokenizer or str(find_tokenizer(request.model))
    tokenizer = load_tokenizer(tokenizer_name)
    vocabulary = vocabulary_of(tokenizer)
    finder = _PartFinder(tokenizer)
    text = tokenized_text(request, finder.encode, vocabulary.sha256, parts=True)
    check_ids(text.documents, model, folder, tokenizer_name)
    positions = maximum_row(model.config.to_dict())
    longest = _longest(settings.max_length, positions)
    frame = special_frame(tokenizer, vocabulary)
    pairs, cut_off = _pairs(text, finder.marks_of(text), frame, longest)
    likelihoods = _score(model, vocabulary, pairs, settings)
    asked = np.concatenate([pair.target[pair.unasked :] for pair in pairs])
    sources = yardstick_sources(request.yardstick_data, training_folders(request.model), vocabulary)
    counts = np.bincount(asked, minlength=vocabulary.size)
    # The length of packed targets is not known, nor that of what was cut off.
    read = text.end_of_document_id is None and not cut_off
    return Outcome(
        metrics=seq2seq_metrics(
            likelihoods, cut_off=cut_off, text_bytes=finder.target_bytes if read else None,
            characters=finder.target_characters if read else None,
        ),
        signature={
            "end_of_target": "counted",
            "around": f"{len(frame[0])}+{len(frame[1])}",
            "max_length": longest or "none",
            **signature_end(model, vocabulary, text),
        },
        yardsticks=guessers(
            settings.yardstick, Guessing("perplexity", vocabulary, counts, sources)
        ),
        notes=_notes(cut_off, len(pairs), longest),
        undecided=say_non_finite(likelihoods.non_finite, likelihoods.tokens),
        model=describe_model(model, request.model, folder, positions),
        tokenizer=describe_tokenizer(tokenizer_name, vocabulary),
        data=text.description,
        examples=None if likelihoods.non_finite else likelihood_examples(
            likelihoods, finder.target_bytes if read else None,
            finder.target_characters if read else None,
        ),
        resolved={"max_length": longest, "device": str(model.device)},
    )  # fmt: skip


SEQ2SEQ_PERPLEXITY = EvaluationTask(SEQ2SEQ_METRICS, evaluate_seq2seq, Seq2SeqSettings)


class _PartFinder:
    """An encoder of pairs that remembers where sources end, and how long the targets are."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._annotate = make_annotator(tokenizer, sentences=False, words=False, parts=True)
        self._marks: list[NDArray[np.uint8]] = []
        self.target_bytes = self.target_characters = 0

    def encode(self, texts: list[str]) -> list[NDArray[np.int32]]:
        found = self._annotate(texts)
        for text, (ids, marks) in zip(texts, found, strict=True):
            if len(ids):
                target = text.partition(PART_SEPARATOR)[2]
                self._marks.append(marks)
                self.target_bytes += len(target.encode())
                self.target_characters += len(target)
        return [ids for ids, _ in found]

    def marks_of(self, text: TokenizedText) -> Sequence[NDArray[np.uint8]]:
        """
        Raises:
            DataError: a packed folder that knows nothing of sources and targets.
        """
        if text.end_of_document_id is None:
            return self._marks
        if text.marks is None or not all((marks & PART_END).any() for marks in text.marks):
            raise DataError(
                f"{text.description['sources'][0]} is packed without marks of sources and targets",
                hint="--data FILE with rows of both; for pretraining on text: --task objective",
            )
        return text.marks


def _with_columns(request: EvaluationRequest) -> EvaluationRequest:
    """The request with the usual columns where none are named."""
    if request.reading.part_columns is not None:
        return request
    if request.reading.text_column is not None:
        raise UsageError(
            "--text-column: sources and targets are two columns",
            hint=f"--part-columns {','.join(_COLUMNS)}",
        )
    return replace(request, reading=request.reading.model_copy(update={"part_columns": _COLUMNS}))


def _longest(wanted: int | None, positions: int | None) -> int | None:
    """
    Raises:
        UsageError: more than the model has positions.
    """
    if wanted is not None and positions is not None and wanted > positions:
        raise UsageError(
            f"the model reads and writes {positions:,} tokens at most, not {wanted:,}",
            hint=f"--max-length {positions}",
        )
    return wanted or positions


def _pairs(
    text: TokenizedText, marks: Sequence[NDArray[np.uint8]],
    frame: tuple[tuple[int, ...], tuple[int, ...]], longest: int | None,
) -> tuple[list[Pair], int]:  # fmt: skip
    """Sources and targets with special tokens around them, and how many pairs were cut off."""
    before, after = (np.array(ids, dtype=np.int64) for ids in frame)
    room = None if longest is None else longest - len(before) - len(after)
    found, cut_off = [], 0
    for ids, noted in zip(text.documents, marks, strict=True):
        border = int(np.flatnonzero(noted & PART_END)[0]) + 1
        source, target = (
            np.concatenate([before, part[:room], after]) for part in (ids[:border], ids[border:])
        )
        found.append(Pair(source, target, len(before)))
        cut_off += room is not None and max(border, len(ids) - border) > room
    return found, cut_off


def _score(
    model: PreTrainedModel, vocabulary: Vocabulary, pairs: Sequence[Pair], settings: Seq2SeqSettings
) -> Likelihoods:
    batch_tokens = settings.batch_tokens or BATCH_TOKENS[model.device.type]
    total = sum(len(pair.target) - pair.unasked for pair in pairs)
    pad_id = vocabulary.pad_id or 0
    start_id = getattr(model.config, "decoder_start_token_id", None)
    start_id = pad_id if start_id is None else start_id
    size = model.config.vocab_size
    asked = Seq2SeqModel(wrap(model, "seq2seq"), start_id, pad_id, size, model.device)
    with (
        memory_errors(batch_tokens),
        console.progress("scoring", total, "tokens") as progress,
        quiet_transformers(),
    ):
        return score_pairs(asked, pairs, batch_tokens=batch_tokens, on_progress=progress.advance)


def _notes(cut_off: int, pairs: int, longest: int | None) -> list[str]:
    if not cut_off:
        return []
    return [
        f"{cut_off:,} of {pairs:,} pairs have a source or target longer than {longest:,} tokens; "
        "what is beyond is not read and not scored"
    ]
