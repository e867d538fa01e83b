"""An encoder-decoder writes answers: greedy or beam search, by transformers' own `generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from llmctl.evaluation.generation import Decode, Generation, Prompt, Vocabulary
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings


@dataclass(frozen=True)
class Seq2SeqWriter:
    """A model with what it needs to write.

    Attributes:
        start_id: what the decoder reads first.
        decode: ids → text, without special tokens.
    """

    model: Any
    settings: Seq2SeqGenerationSettings
    vocabulary: Vocabulary
    start_id: int
    decode: Decode

    @torch.inference_mode()
    def write(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """One text a source. Padding stands after sources and is masked, so that a row gets the
        same text in any batch, up to rounding of the logits.

        Args:
            prompts: none empty, and none longer than the encoder takes.
        """
        ids, mask = _right_padded(prompts, self.vocabulary.pad_id, self.model.device)
        encoded = self.model.get_encoder()(input_ids=ids, attention_mask=mask)
        read = (encoded.last_hidden_state.isfinite().all(-1) | (mask == 0)).all(-1)
        watch = _Watch(len(prompts))
        with _plain_configuration(self.model):
            found = self.model.generate(
                encoder_outputs=encoded, attention_mask=mask,
                generation_config=self._configuration(), logits_processor=[watch],
            )  # fmt: skip
        sound = (read.cpu() & ~watch.broken.cpu()).tolist()
        written = found[:, 1:].tolist()  # after the start token
        return [self._generation(row, fine) for row, fine in zip(written, sound, strict=True)]

    def _configuration(self) -> Any:
        from transformers import GenerationConfig

        settings, vocabulary = self.settings, self.vocabulary
        surplus = list(range(vocabulary.size, self._vocabulary_rows()))
        beams: dict[str, Any] = {}
        if settings.beams > 1:
            beams = {
                "length_penalty": settings.length_penalty,
                "early_stopping": settings.early_stopping,
            }
        return GenerationConfig(
            max_new_tokens=settings.max_new_tokens, num_beams=settings.beams, do_sample=False,
            no_repeat_ngram_size=settings.no_repeat_ngram, use_cache=True,
            eos_token_id=sorted(vocabulary.eos_ids) or None, pad_token_id=vocabulary.pad_id,
            decoder_start_token_id=self.start_id, suppress_tokens=surplus or None, **beams,
        )  # fmt: skip

    def _vocabulary_rows(self) -> int:
        rows: int = self.model.get_output_embeddings().weight.shape[0]
        return rows

    def _generation(self, ids: list[int], sound: bool) -> Generation:
        eos_ids = self.vocabulary.eos_ids
        end = next((place for place, token in enumerate(ids) if token in eos_ids), None)
        if not sound:
            return Generation("", None, 0, "the model's output is not a number")
        if end is None:
            return Generation(self.decode(ids), "length", len(ids))
        return Generation(self.decode(ids[:end]), "eos", end + 1)


class _Watch:
    """Sees the logits of every step, and remembers rows in which one is not a number."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self.broken = torch.zeros(rows, dtype=torch.bool)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        found = scores.isnan().any(-1).view(self._rows, -1).any(-1)  # beams of a row stand together
        self.broken = self.broken.to(found.device) | found
        return scores


@contextmanager
def _plain_configuration(model: Any) -> Iterator[None]:
    """What a model's own file says about generation, such as penalties, is not added to ours."""
    from transformers import GenerationConfig

    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def _right_padded(
    prompts: Sequence[Prompt], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask [B, S]."""
    length = max(len(prompt.ids) for prompt in prompts)
    ids = [prompt.ids + [pad_id] * (length - len(prompt.ids)) for prompt in prompts]
    mask = [[1] * len(one.ids) + [0] * (length - len(one.ids)) for one in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
