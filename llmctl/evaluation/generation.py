"""Continue prompts with a causal model, in batches that do not change what a row gets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from llmctl.evaluation.generation_settings import DEFAULT_NEW_TOKENS, GenerationSettings
from llmctl.evaluation.sampling import choose_drawn, choose_likeliest, random_numbers
from llmctl.evaluation.stop_words import find_stop, settled_length, tail_tokens

FinishReason = Literal["stop", "eos", "length"]
Decode = Callable[[list[int]], str]

_CONTEXT_TOKENS = 8


@dataclass(frozen=True)
class Prompt:
    """The ids of one prompt, and the number of its row, which seeds what is drawn for it."""

    row: int
    ids: list[int]


@dataclass(frozen=True)
class Vocabulary:
    """What generation needs to know of a tokenizer. Ids from `size` on are never chosen."""

    size: int
    eos_ids: frozenset[int]
    pad_id: int


@dataclass(frozen=True)
class Generation:
    """A continuation; `text` ends before the stop word, `tokens` counts all that were made."""

    text: str
    finish_reason: FinishReason | None
    tokens: int
    error: str | None = None


@dataclass
class _Row:
    """A prompt on its way."""

    prompt: Prompt
    settings: GenerationSettings
    new_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        settings, row = self.settings, self.prompt.row
        self.limit = settings.max_new_tokens or DEFAULT_NEW_TOKENS
        self.numbers: NDArray[np.float64] | None = None
        if settings.draws:
            self.numbers = random_numbers(settings.seed, row, self.limit)

    @property
    def is_active(self) -> bool:
        return self.finish_reason is None and self.error is None


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Sequence[Prompt],
    settings: GenerationSettings,
    vocabulary: Vocabulary,
    decode: Decode,
    on_text: Callable[[str], None] | None = None,
) -> list[Generation]:
    """One continuation a prompt, by greedy search or drawing.

    Prompts are padded on the left, with positions counted from their first real token and padding
    masked, and what is drawn depends on (seed, row) alone: a row gets the same text in any batch,
    up to rounding of the logits (in float32 practically never, in bfloat16 now and then).

    Args:
        prompts: none empty; with `max_new_tokens` more each fits the model's positions.
        on_text: called with each new piece of text; only with a single prompt.
    """
    rows = [_Row(prompt, settings) for prompt in prompts]
    finishing = _Finishing(settings, vocabulary, decode)
    steps = _Steps(model, [row.prompt.ids for row in rows], vocabulary.pad_id)
    active, shown = rows, 0
    logits = steps.first()
    for step in count():
        chosen = _choose(logits[:, : vocabulary.size], active, step, settings)
        for row, token in zip(active, chosen, strict=True):
            if row.is_active:
                row.new_ids.append(token)
                row.finish_reason = finishing.reason(row)
        if on_text is not None:
            shown = _show(rows[0], finishing, on_text, shown)
        if not any(row.is_active for row in active):
            break
        kept = _rows_to_keep(active)
        if len(kept) < len(active):
            steps.keep(kept)
            active, chosen = [active[i] for i in kept], [chosen[i] for i in kept]
        logits = steps.next(chosen)
    return [finishing.generation(row) for row in rows]


@torch.inference_mode()
def generate_with_beams(
    model: Any,
    prompts: Sequence[Prompt],
    settings: GenerationSettings,
    vocabulary: Vocabulary,
    decode: Decode,
) -> list[Generation]:
    """The likeliest continuation that beam search finds, by transformers' own search."""
    from transformers import GenerationConfig

    ids, mask = _left_padded([prompt.ids for prompt in prompts], vocabulary.pad_id, model.device)
    surplus = range(vocabulary.size, model.config.vocab_size)
    config = GenerationConfig(
        max_new_tokens=settings.max_new_tokens or DEFAULT_NEW_TOKENS,
        num_beams=settings.beams,
        do_sample=False,
        eos_token_id=sorted(vocabulary.eos_ids) or None,
        pad_token_id=vocabulary.pad_id,
        suppress_tokens=list(surplus) or None,
    )
    # What a model's own file says about generation, such as penalties, would else be added.
    model.generation_config = GenerationConfig()
    found = model.generate(ids, attention_mask=mask, generation_config=config)
    finishing = _Finishing(settings, vocabulary, decode)
    rows = []
    for prompt, new_ids in zip(prompts, found[:, ids.shape[1] :].tolist(), strict=True):
        row = _Row(prompt, settings)
        for token in new_ids:
            row.new_ids.append(token)
            row.finish_reason = finishing.reason(row)
            if not row.is_active:
                break
        rows.append(row)
    return [finishing.generation(row) for row in rows]


class _Steps:
    """The model's key-value cache over one batch, one token a row at a time."""

    def __init__(self, model: Any, prompts: Sequence[list[int]], pad_id: int) -> None:
        self.model = model
        self.ids, self.mask = _left_padded(prompts, pad_id, model.device)
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._extra = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._cache: Any = None

    def first(self) -> torch.Tensor:
        """Logits after the prompts. [B, V]"""
        positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)
        return self._forward(self.ids, positions)

    def next(self, tokens: Sequence[int]) -> torch.Tensor:
        """Logits after one more token a row. [B, V]"""
        ids = torch.tensor(tokens, device=self.mask.device)[:, None]
        self.mask = torch.cat([self.mask, torch.ones_like(ids)], dim=1)
        return self._forward(ids, self.mask.sum(dim=1, keepdim=True) - 1)

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these, in the cache too."""
        index = torch.tensor(rows, device=self.mask.device)
        self.mask = self.mask[index]
        self._cache.batch_select_indices(index)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        extra = {"position_ids": positions, **self._extra} if self._takes_positions else self._extra
        output = self.model(
            input_ids=ids, attention_mask=self.mask, past_key_values=self._cache, use_cache=True,
            **extra,
        )  # fmt: skip
        self._cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


class _Finishing:
    """Says when a row is done and what its text is."""

    def __init__(
        self, settings: GenerationSettings, vocabulary: Vocabulary, decode: Decode
    ) -> None:
        self.settings, self.vocabulary, self._decode = settings, vocabulary, decode
        self._tail = tail_tokens(settings.stop)

    def reason(self, row: _Row) -> FinishReason | None:
        if row.new_ids[-1] in self.vocabulary.eos_ids:
            return "eos"
        if self.settings.stop:
            # Most steps look at a few tokens only; a find is checked against the whole text.
            words, is_long = self.settings.stop, len(row.new_ids) > self._tail
            tail = self._decode(row.new_ids[-self._tail :]) if is_long else self.text(row)
            if find_stop(tail, words) is not None and find_stop(self.text(row), words) is not None:
                return "stop"
        return "length" if len(row.new_ids) == row.limit else None

    def text(self, row: _Row) -> str:
        """The new text as it follows the prompt: some tokenizers drop a blank at a text's start."""
        ids = [token for token in row.new_ids if token not in self.vocabulary.eos_ids]
        context = row.prompt.ids[-_CONTEXT_TOKENS:]
        before, whole = self._decode(context), self._decode(context + ids)
        return whole[len(before) :] if whole.startswith(before) else self._decode(ids)

    def generation(self, row: _Row) -> Generation:
        text = self.text(row)
        end = find_stop(text, self.settings.stop)
        return Generation(text[:end], row.finish_reason, len(row.new_ids), row.error)


def _choose(
    logits: torch.Tensor, active: Sequence[_Row], step: int, settings: GenerationSettings
) -> list[int]:
    for row, finite in zip(active, (~logits.isnan().any(dim=-1)).tolist(), strict=True):
        if not finite and row.is_active:
            row.error = f"the model's output is not a number after {step} tokens"
    if not settings.draws:
        chosen = choose_likeliest(logits)
    else:
        numbers = [0.0 if row.numbers is None else row.numbers[step] for row in active]
        chosen = choose_drawn(
            logits.nan_to_num(),
            torch.tensor(numbers, device=logits.device, dtype=torch.float64),
            temperature=settings.drawing_temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
        )
    return [int(token) for token in chosen.tolist()]


def _rows_to_keep(active: Sequence[_Row]) -> list[int]:
    """The rows that go on, once half are done: to copy the cache at each end would cost more."""
    going_on = [number for number, row in enumerate(active) if row.is_active]
    return going_on if 2 * len(going_on) <= len(active) else list(range(len(active)))


def _left_padded(
    prompts: Sequence[list[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask [B, L], each prompt at the right end."""
    length = max(len(ids) for ids in prompts)
    padded = [[pad_id] * (length - len(ids)) + ids for ids in prompts]
    mask = [[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts]
    return torch.tensor(padded, device=device), torch.tensor(mask, device=device)


def _show(row: _Row, finishing: _Finishing, on_text: Callable[[str], None], shown: int) -> int:
    """Pass on the text that is settled; returns how much has been passed on in all."""
    text = finishing.text(row)
    words = finishing.settings.stop
    if row.is_active:
        end: int | None = settled_length(text, words)
    else:
        end = find_stop(text, words)
    fresh = text[shown:end]
    if fresh:
        on_text(fresh)
    return shown + len(fresh)
