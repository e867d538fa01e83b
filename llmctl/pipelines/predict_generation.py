"""The prediction task `generation`: a causal model continues prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from llmctl.errors import SettingsMismatch, UsageError
from llmctl.evaluation.generation import (
    Generation,
    Prompt,
    Vocabulary,
    generate,
    generate_with_beams,
)
from llmctl.evaluation.generation_settings import GenerationSettings
from llmctl.models.load import (
    choose_device,
    choose_dtype,
    find_tokenizer,
    load_causal_model,
    maximum_positions,
    model_folder,
    quiet_transformers,
)
from llmctl.pipelines.predict_tasks import (
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
)
from llmctl.tokenization.load import load_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TextGenerator:
    """A causal model with its tokenizer, ready to continue prompts."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerationSettings,
    ) -> None:
        positions = maximum_positions(model.config)
        self.model, self.tokenizer = model, tokenizer
        self.settings = settings.resolved(positions)
        self.batch_size = settings.batch_size
        known = vocabulary_of(tokenizer)
        if known.size > model.config.vocab_size:
            raise SettingsMismatch(
                f"the tokenizer has {known.size:,} tokens, the model's vocabulary only "
                f"{model.config.vocab_size:,}",
                hint="use the tokenizer that the model was trained with",
            )
        eos_ids = _eos_ids(model, known.eos_id)
        pad_id = known.pad_id if known.pad_id is not None else min(eos_ids, default=0)
        self.vocabulary = Vocabulary(known.size, eos_ids, pad_id)
        self._start = known.bos_id if known.bos_id is not None else known.eos_id
        self._prefix = _prefix_of(tokenizer)
        self.longest_prompt = _longest_prompt(positions, self.settings)

    def prepare(self, row: InputRow) -> Prompt:
        """The ids of a prompt, with what the tokenizer puts before a text and without what it puts
        after. An empty prompt is the token that begins a text.

        Raises:
            BadInput: nothing to begin with, or more tokens than fit.
        """
        encoded = self.tokenizer(row.text, add_special_tokens=False)
        ids = [*self._prefix, *encoded["input_ids"]]
        if not ids:
            if self._start is None:
                raise BadInput("the prompt is empty and the tokenizer has no token to begin with")
            ids = [self._start]
        longest = self.longest_prompt
        if longest is not None and len(ids) > longest:
            if not self.settings.truncate:
                raise BadInput(
                    f"the prompt has {len(ids):,} tokens and {longest:,} fit beside "
                    f"{self.settings.max_new_tokens} new ones; --truncate would cut it"
                )
            start = len(self._prefix) if len(self._prefix) < longest else 0
            ids = [*ids[:start], *ids[len(ids) - longest + start :]]
        return Prompt(row.number, ids)

    def length(self, prepared: Prompt) -> int:
        return len(prepared.ids)

    def predict(
        self, prepared: Sequence[Prompt], on_text: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Continuations; a batch too large for the GPU's memory is halved."""
        try:
            found = self._generate(prepared, on_text)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(prepared) == 1:
                return [{"prediction": None, "error": "the GPU's memory is too small for it"}]
            half = len(prepared) // 2
            return [*self.predict(prepared[:half]), *self.predict(prepared[half:])]
        return [
            _columns(prompt, generation) for prompt, generation in zip(prepared, found, strict=True)
        ]

    def _generate(
        self, prompts: Sequence[Prompt], on_text: Callable[[str], None] | None
    ) -> list[Generation]:
        with quiet_transformers():
            if self.settings.beams == 1:
                return generate(
                    self.model, prompts, self.settings, self.vocabulary, self._decode, on_text
                )
            found = generate_with_beams(
                self.model, prompts, self.settings, self.vocabulary, self._decode
            )
        if on_text is not None:
            on_text(found[0].text)
        return found

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )


def load_generator(request: PredictionRequest) -> TextGenerator:
    """Raises whatever `load_causal_model` and `load_tokenizer` raise."""
    settings = request.settings
    assert isinstance(settings, GenerationSettings)
    folder = model_folder(request.model)
    with quiet_transformers():
        tokenizer = load_tokenizer(str(find_tokenizer(folder)))
    model = load_causal_model(folder, device=settings.device, dtype=settings.dtype)
    return TextGenerator(model, tokenizer, settings)


def decisive(settings: GenerationSettings) -> dict[str, Any]:
    """The settings that predictions depend on; the others only say how fast they are made."""
    dtype = choose_dtype(settings.dtype, choose_device(settings.device))
    chosen = settings.model_dump(exclude={"truncate", "batch_size", "device", "dtype"})
    return {**chosen, "dtype": str(dtype).removeprefix("torch.")}


GENERATION = PredictionTask(
    column="prompt",
    settings=GenerationSettings,
    decisive=decisive,
    load=load_generator,
)


def _columns(prompt: Prompt, generation: Generation) -> dict[str, Any]:
    counts = {"prompt_tokens": len(prompt.ids), "new_tokens": generation.tokens}
    if generation.error is not None:
        return {"prediction": None, "error": generation.error, **counts}
    return {"prediction": generation.text, "finish_reason": generation.finish_reason, **counts}


def _eos_ids(model: Any, eos_id: int | None) -> frozenset[int]:
    """The tokenizer's token that ends a text, and those that the model's own files name."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    more = named if isinstance(named, list) else [named]
    return frozenset(token for token in [*more, eos_id] if token is not None)


def _prefix_of(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before a text: `<s>` for some models, nothing for most."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return whole[:start]
    return []


def _longest_prompt(positions: int | None, settings: GenerationSettings) -> int | None:
    if positions is None or settings.max_new_tokens is None:
        return None
    if settings.max_new_tokens >= positions:
        raise UsageError(
            f"the model has {positions:,} positions, which leaves no room for a prompt beside "
            f"{settings.max_new_tokens:,} new tokens",
            hint=f"--max-new-tokens {positions // 2}",
        )
    return positions - settings.max_new_tokens
