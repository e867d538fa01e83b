"""Many prompts → texts: in batches of like length, each row with its text or its error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from llmctl.evaluation.generation import (
    Decode,
    Generation,
    Prompt,
    Vocabulary,
    generate,
    generate_with_beams,
)
from llmctl.evaluation.generation_settings import DEFAULT_NEW_TOKENS, GenerationSettings
from llmctl.evaluation.seq2seq_generation import Seq2SeqWriter

GenerateBatch = Callable[[Sequence[Prompt]], list[Generation]]


def causal_answers(
    model: Any,
    prompts: Sequence[Prompt],
    settings: GenerationSettings,
    vocabulary: Vocabulary,
    decode: Decode,
    *,
    longest: int | None = None,
    batch_tokens: int = 8192,
    on_progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """What a causal model writes after each prompt, in their order.

    Args:
        longest: tokens that the model takes, new ones included; None: any number. A prompt that
            leaves no room gets an error in place of a text.
        batch_tokens: of a batch, padding, beams and new tokens included; a single prompt may have
            more.
        on_progress: told of the prompts of each finished batch.
    """
    new_tokens = settings.max_new_tokens or DEFAULT_NEW_TOKENS
    write = generate if settings.beams == 1 else generate_with_beams
    return answers_in_batches(
        prompts,
        lambda batch: write(model, batch, settings, vocabulary, decode),
        longest=None if longest is None else longest - new_tokens,
        new_tokens=new_tokens,
        copies=settings.beams,
        batch_tokens=batch_tokens,
        on_progress=on_progress,
    )


def seq2seq_answers(
    writer: Seq2SeqWriter,
    prompts: Sequence[Prompt],
    *,
    longest: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """What an encoder-decoder writes for each source, in their order.

    Args:
        longest: tokens that the encoder takes; None: any number.
    """
    settings = writer.settings
    return answers_in_batches(
        prompts, writer.write, longest=longest, new_tokens=settings.max_new_tokens,
        copies=settings.beams, batch_tokens=settings.batch_tokens, on_progress=on_progress,
    )  # fmt: skip


def answers_in_batches(
    prompts: Sequence[Prompt],
    write: GenerateBatch,
    *,
    longest: int | None,
    new_tokens: int,
    copies: int,
    batch_tokens: int,
    on_progress: Callable[[int], None] | None = None,
) -> list[Generation]:
    """Texts in the order of the prompts. A batch that is too large for the GPU is halved; a prompt
    that is empty, too long, or too large alone gets an error."""
    found: dict[int, Generation] = {
        number: _failed(reason)
        for number, prompt in enumerate(prompts)
        if (reason := _unfit(prompt, longest)) is not None
    }
    fit = [number for number in range(len(prompts)) if number not in found]
    fit.sort(key=lambda number: (-len(prompts[number].ids), number))
    for batch in _batches(fit, prompts, new_tokens, batch_tokens // copies):
        texts = _write([prompts[number] for number in batch], write)
        found.update(zip(batch, texts, strict=True))
        if on_progress is not None:
            on_progress(len(batch))
    return [found[number] for number in range(len(prompts))]


def _unfit(prompt: Prompt, longest: int | None) -> str | None:
    if not prompt.ids:
        return "there is nothing to read"
    if longest is not None and len(prompt.ids) > longest:
        return f"{len(prompt.ids):,} tokens are too many: {max(longest, 0):,} fit"
    return None


def _batches(
    numbers: Sequence[int], prompts: Sequence[Prompt], new_tokens: int, budget: int
) -> Iterator[list[int]]:
    """Prompts, the longest first, as many as fit the budget, and one at least."""
    start = 0
    while start < len(numbers):
        width = len(prompts[numbers[start]].ids) + new_tokens
        count = max(1, budget // width)
        yield list(numbers[start : start + count])
        start += count


def _write(prompts: Sequence[Prompt], write: GenerateBatch) -> list[Generation]:
    try:
        return write(prompts)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
    if len(prompts) == 1:
        return [_failed("the GPU's memory is too small for it")]
    half = len(prompts) // 2
    return [*_write(prompts[:half], write), *_write(prompts[half:], write)]


def _failed(reason: str) -> Generation:
    return Generation("", None, 0, reason)
