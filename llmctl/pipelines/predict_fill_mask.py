"""The prediction task `fill-mask`: an encoder says which words its masks hide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from llmctl import console
from llmctl.errors import InputMissing, UsageError
from llmctl.evaluation.fill_mask import (
    MASKS,
    Candidate,
    FillMaskSettings,
    MaskedText,
    best_candidates,
    fill_in,
    write_masks,
)
from llmctl.models.load import (
    choose_device,
    choose_dtype,
    load_model,
    model_folder,
    quiet_transformers,
    read_architecture,
)
from llmctl.pipelines.masked_model import LoadedMaskedModel, with_tokenizer
from llmctl.pipelines.predict_tasks import (
    BadInput,
    InputRow,
    PredictionRequest,
    PredictionTask,
)

_DIGITS = 6  # a score of float32 has no more
_BLANKS = ("Ġ", "▁")
"""How byte-level and SentencePiece tokens write the blank before them."""


class MaskFiller:
    """A masked language model with its tokenizer, ready to fill masks."""

    def __init__(self, loaded: LoadedMaskedModel, settings: FillMaskSettings) -> None:
        self.loaded, self.settings = loaded, settings
        self.batch_size = settings.batch_size
        self.model = loaded.asked()
        self.mask = str(loaded.tokenizer.mask_token)
        known = loaded.vocabulary
        names = loaded.tokenizer.get_vocab()
        self._tokens_bring_blanks = any(name.startswith(_BLANKS) for name in names)
        beyond = range(known.size, loaded.model.config.vocab_size)
        self._never = torch.tensor([*known.special_ids, *beyond], device=loaded.model.device)

    def prepare(self, row: InputRow) -> MaskedText:
        """The ids of a text with its masks.

        Raises:
            BadInput: no mask, or more tokens than the model can read.
        """
        assert row.text is not None
        written = write_masks(row.text, self.mask)
        ids = self.loaded.tokenizer(written)["input_ids"]
        if self.loaded.mask_id not in ids:
            raise BadInput(f"there is no mask in it; write {MASKS[0]} where a word is missing")
        longest = self.loaded.positions
        if longest is not None and len(ids) > longest:
            raise BadInput(f"the text has {len(ids):,} tokens; the model reads {longest:,} at most")
        return MaskedText(written, ids)

    def length(self, prepared: MaskedText) -> int:
        return len(prepared.ids)

    def predict(
        self, prepared: Sequence[MaskedText], on_text: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Fillings; a batch too large for the GPU's memory is halved."""
        try:
            with quiet_transformers():
                found = best_candidates(self.model, prepared, self.settings.top_k, self._never)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            if len(prepared) == 1:
                return [{"prediction": None, "error": "the GPU's memory is too small for it"}]
            half = len(prepared) // 2
            return [*self.predict(prepared[:half]), *self.predict(prepared[half:])]
        rows = [self._row(text, masks) for text, masks in zip(prepared, found, strict=True)]
        if on_text is not None:
            on_text(shown(rows[0]))
        return rows

    def _row(self, text: MaskedText, masks: list[list[Candidate]]) -> dict[str, Any]:
        if any(not candidate.score >= 0 for candidates in masks for candidate in candidates):
            return {"prediction": None, "error": "the model's output is not a number"}
        words = [[self._word(candidate.id) for candidate in candidates] for candidates in masks]
        return {
            "prediction": fill_in(
                text.text, self.mask, [best[0] for best in words],
                tokens_bring_blanks=self._tokens_bring_blanks,
            ),
            "candidates": [
                [
                    {"token": word, "score": float(f"{candidate.score:.{_DIGITS}g}")}
                    for word, candidate in zip(of_mask, candidates, strict=True)
                ]
                for of_mask, candidates in zip(words, masks, strict=True)
            ],
        }  # fmt: skip

    def _word(self, token: int) -> str:
        """A token as text; a blank before it stays, and so does the ## of a word that goes on."""
        tokenizer = self.loaded.tokenizer
        name = str(tokenizer.convert_ids_to_tokens(token))
        if name.startswith("##"):
            return name
        text = str(tokenizer.decode([token], clean_up_tokenization_spaces=False))
        return " " + text.lstrip(" ") if name.startswith(_BLANKS) else text


def shown(row: dict[str, Any]) -> str:
    """A row for a person at a terminal: the text, and the candidates for each mask."""
    if "error" in row:
        return str(row["error"])
    masks = row["candidates"]
    lines = [
        [number if place == 0 else "", candidate["token"].strip(), candidate["score"]]
        for number, candidates in enumerate(masks, start=1)
        for place, candidate in enumerate(candidates)
    ]
    columns = ["mask", "token", "probability"]
    if len(masks) == 1:
        columns, lines = columns[1:], [line[1:] for line in lines]
    return f"{row['prediction']}\n\n{console.table(columns, lines)}"


def load_filler(request: PredictionRequest) -> MaskFiller:
    """
    Raises:
        UsageError: the model fills no masks; and whatever `load_model` and `load_tokenizer` raise.
    """
    settings = request.settings
    assert isinstance(settings, FillMaskSettings)
    try:
        model = load_model(request.model, "masked", device=settings.device, dtype=settings.dtype)
    except UsageError as error:
        raise UsageError(error.message, _hint(request.model) or error.hint) from error
    return MaskFiller(with_tokenizer(model, request.model), settings)


def _hint(model: str) -> str | None:
    """The discriminator of an ELECTRA fills no masks; the generator beside it does."""
    folder = model_folder(model)
    if read_architecture(folder).model_type != "electra":
        return None
    from llmctl.models.replaced import generator_folder

    try:
        return f"llmctl predict {generator_folder(folder)} --task fill-mask"
    except InputMissing:
        return None


def decisive(settings: FillMaskSettings) -> dict[str, Any]:
    """The settings that predictions depend on."""
    dtype = choose_dtype(settings.dtype, choose_device(settings.device))
    return {"top_k": settings.top_k, "dtype": str(dtype).removeprefix("torch.")}


FILL_MASK = PredictionTask(
    column="text",
    settings=FillMaskSettings,
    decisive=decisive,
    load=load_filler,
)
