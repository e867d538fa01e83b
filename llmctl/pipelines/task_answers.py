"""Answers that a finetuned model writes: prompts as in training, texts until the task's end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llmctl.evaluation.answering import causal_answers, seq2seq_answers
from llmctl.evaluation.generation import Generation, Prompt, Vocabulary
from llmctl.evaluation.generation_settings import GenerationSettings
from llmctl.evaluation.seq2seq_generation import Seq2SeqWriter
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings
from llmctl.models.families import maximum_row
from llmctl.models.heads import HEADS
from llmctl.models.load import quiet_transformers
from llmctl.tasks.base import Example, Task
from llmctl.tokenization.load import vocabulary_of


class AnswerWriter:
    """A model, its tokenizer and its task, ready to write answers.

    Args:
        model: of transformers, not wrapped; in evaluation mode.
        head: the one it was finetuned with.
    """

    def __init__(
        self, task: Task, model: Any, head: str, tokenizer: Any, settings: Seq2SeqGenerationSettings
    ) -> None:
        self._task, self._model, self._head = task, model, head
        self._tokenizer, self._settings = tokenizer, settings
        known = vocabulary_of(tokenizer)
        ends = frozenset(task.end_ids(tokenizer))
        pad_id = known.pad_id if known.pad_id is not None else min(ends, default=0)
        self._vocabulary = Vocabulary(known.size, ends, pad_id)
        self._longest = maximum_row(model.config.to_dict())

    def prompt(self, example: Example, number: int) -> Prompt:
        """What the model reads of an example before it writes."""
        return Prompt(number, self._task.prompt(example, self._tokenizer))

    def answers(
        self, examples: Sequence[Example], prompts: Sequence[Prompt],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """The task's columns for every example: `prediction`, or `error`."""
        with quiet_transformers():
            written = self._written(prompts, on_progress)
        return [
            self._columns(example, found) for example, found in zip(examples, written, strict=True)
        ]

    def _written(
        self, prompts: Sequence[Prompt], on_progress: Callable[[int], None] | None
    ) -> list[Generation]:
        if HEADS[self._head].decoder_inputs:
            start = getattr(self._task, "start_id", None)
            if start is None:
                start = self._model.config.decoder_start_token_id
            writer = Seq2SeqWriter(
                self._model, self._settings, self._vocabulary, start, self._decode
            )
            return seq2seq_answers(writer, prompts, longest=self._longest, on_progress=on_progress)
        settings = GenerationSettings(
            max_new_tokens=self._settings.max_new_tokens, beams=self._settings.beams
        )
        return causal_answers(
            self._model, prompts, settings, self._vocabulary, self._decode,
            longest=self._longest, batch_tokens=self._settings.batch_tokens,
            on_progress=on_progress,
        )  # fmt: skip

    def _columns(self, example: Example, found: Generation) -> dict[str, Any]:
        counts = {"new_tokens": found.tokens}
        if found.error is not None:
            return {"prediction": None, "error": found.error, **counts}
        return {
            **self._task.answer(example, found.text), "finish_reason": found.finish_reason, **counts
        }  # fmt: skip

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
