"""Encoder-decoders write what transformers writes for each row alone, in any batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_decoders import make_encoder_decoder
from pydantic import ValidationError

from llmctl.evaluation.answering import answers_in_batches, causal_answers, seq2seq_answers
from llmctl.evaluation.generation import Generation, Prompt, Vocabulary, generate
from llmctl.evaluation.generation_settings import GenerationSettings
from llmctl.evaluation.seq2seq_generation import Seq2SeqWriter
from llmctl.evaluation.seq2seq_generation_settings import Seq2SeqGenerationSettings

TEXTS = [
    "the old captain told a story about white whales to his young crew",
    "床前明月光",
    "the sea was calm",
    "stars rose over quiet water and far islands while the crew listened",
    "a",
]


@pytest.fixture(scope="module", params=["t5", "bart"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder_decoder(tmp_path_factory.mktemp(request.param), request.param, seed=3)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    model.generation_config.forced_eos_token_id = None  # BART's own rule for the last place
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # so that texts go by the sources
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1.0)
            elif "attn" in name or "Attention" in name:
                torch.nn.init.normal_(parameter, std=1.0)
    return model


@pytest.fixture
def prompts(tokenizer: Any) -> list[Prompt]:
    return [Prompt(row, tokenizer(text)["input_ids"]) for row, text in enumerate(TEXTS)]


def writer_of(model: Any, tokenizer: Any, **settings: Any) -> Seq2SeqWriter:
    def decode(ids: list[int]) -> str:
        text: str = tokenizer.decode(ids, skip_special_tokens=True)
        return text

    return Seq2SeqWriter(
        model, Seq2SeqGenerationSettings(**{"max_new_tokens": 12, **settings}),
        Vocabulary(len(tokenizer), frozenset({tokenizer.eos_token_id}), tokenizer.pad_token_id),
        model.config.decoder_start_token_id, decode,
    )  # fmt: skip


SEARCHES: list[dict[str, Any]] = [
    {},
    {"no_repeat_ngram": 2},
    {"beams": 3},
    {"beams": 3, "length_penalty": 0.2, "early_stopping": True},
]


@pytest.mark.parametrize("settings", SEARCHES)
def test_a_row_gets_what_transformers_writes_for_it_alone(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], settings: dict[str, Any]
) -> None:
    beams = settings.get("beams", 1)
    more = {name: settings[name] for name in ("length_penalty", "early_stopping")
            if name in settings}  # fmt: skip

    found = writer_of(model, tokenizer, **settings).write(prompts)

    for prompt, generation in zip(prompts, found, strict=True):
        alone = model.generate(
            torch.tensor([prompt.ids]), max_new_tokens=12, num_beams=beams, do_sample=False,
            no_repeat_ngram_size=settings.get("no_repeat_ngram", 0), **more,
        )[0, 1:].tolist()  # fmt: skip
        ended = tokenizer.eos_token_id in alone
        assert generation.text == tokenizer.decode(alone, skip_special_tokens=True)
        assert generation.finish_reason == ("eos" if ended else "length")
        assert generation.error is None
    assert len({generation.text for generation in found}) > 1


@pytest.mark.parametrize("settings", SEARCHES)
def test_texts_do_not_depend_on_the_batch(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], settings: dict[str, Any]
) -> None:
    together = seq2seq_answers(writer_of(model, tokenizer, **settings), prompts)
    alone = seq2seq_answers(writer_of(model, tokenizer, **settings, batch_tokens=1), prompts)
    pairs = seq2seq_answers(writer_of(model, tokenizer, **settings, batch_tokens=90), prompts)

    assert together == alone == pairs


def test_no_run_of_tokens_occurs_twice(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt]
) -> None:
    """Tokens, seen through a decoder that keeps them; the free search does repeat itself."""

    def runs(**settings: Any) -> list[bool]:
        writer = writer_of(model, tokenizer, max_new_tokens=20, **settings)
        found = replace(writer, decode=lambda ids: " ".join(map(str, ids))).write(prompts)
        rows = [generation.text.split() for generation in found]
        pairs = [list(pairwise(ids)) for ids in rows]
        return [len(row) == len(set(row)) for row in pairs]

    assert not all(runs())
    assert all(runs(no_repeat_ngram=2))


def test_an_answer_ends_before_its_end_token(model: Any, tokenizer: Any) -> None:
    """The fourth token that is written is made the end of texts: three are left."""
    writer = writer_of(model, tokenizer, max_new_tokens=8)
    keep = replace(writer, decode=lambda ids: " ".join(map(str, ids)))
    prompt = Prompt(0, tokenizer(TEXTS[0])["input_ids"])
    ids = keep.write([prompt])[0].text.split()
    vocabulary = replace(writer.vocabulary, eos_ids=frozenset({int(ids[3])}))

    (found,) = replace(keep, vocabulary=vocabulary).write([prompt])

    first = ids.index(ids[3])
    assert found == Generation(" ".join(ids[:first]), "eos", first + 1)


def test_ids_beyond_the_vocabulary_are_never_written(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt]
) -> None:
    writer = writer_of(model, tokenizer)
    keep = replace(writer, decode=lambda ids: " ".join(map(str, ids)))
    top = max(int(token) for one in keep.write(prompts) for token in one.text.split())

    found = replace(keep, vocabulary=replace(writer.vocabulary, size=top)).write(prompts)

    assert all(int(token) < top for one in found for token in one.text.split())


def test_what_the_models_own_file_says_is_not_added(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt]
) -> None:
    expected = writer_of(model, tokenizer).write(prompts)
    before = model.generation_config.repetition_penalty
    model.generation_config.repetition_penalty = 5.0
    try:
        assert writer_of(model, tokenizer).write(prompts) == expected
        assert model.generation_config.repetition_penalty == 5.0
    finally:
        model.generation_config.repetition_penalty = before


@pytest.mark.parametrize("beams", [1, 3])
def test_a_row_that_breaks_is_told_and_the_others_are_not_harmed(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], beams: int
) -> None:
    """One word's embedding is not a number: the rows that hold it break, no others."""
    writer = writer_of(model, tokenizer, beams=beams)
    expected = writer.write(prompts)
    known = {token for prompt in prompts[1:] for token in prompt.ids}
    written = {
        token for text in (one.text for one in expected) for token in tokenizer(text)["input_ids"]
    }
    word = next(token for token in prompts[0].ids if token not in known | written)
    weight = model.get_input_embeddings().weight
    encoder = model.get_encoder()
    embedding = torch.nn.Embedding.from_pretrained(weight.detach().clone())
    scale = getattr(encoder.embed_tokens, "embed_scale", 1.0)
    embedding.weight.data *= scale
    embedding.weight.data[word] = float("nan")
    own, encoder.embed_tokens = encoder.embed_tokens, embedding
    try:
        broken, *others = writer.write(prompts)
    finally:
        encoder.embed_tokens = own

    assert broken.error == "the model's output is not a number"
    assert others == expected[1:]


def test_rows_that_cannot_be_read_get_an_error_and_keep_their_place(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt]
) -> None:
    rows = [prompts[0], Prompt(1, []), prompts[2]]
    longest = len(prompts[0].ids) - 1

    long, empty, fine = seq2seq_answers(writer_of(model, tokenizer), rows, longest=longest)

    assert long.error == f"{longest + 1} tokens are too many: {longest} fit"
    assert empty.error == "there is nothing to read"
    assert fine == writer_of(model, tokenizer).write([prompts[2]])[0]


@pytest.mark.parametrize("settings", [{"length_penalty": 0.6}, {"early_stopping": True}])
def test_settings_of_beams_are_refused_without_them(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="go with beams of 2 or more"):
        Seq2SeqGenerationSettings(**settings)


# Batches --------------------------------------------------------------------------------------


def lengths_of_batches(lengths: Sequence[int], batch_tokens: int, copies: int = 1) -> list[Any]:
    seen: list[list[int]] = []

    def write(batch: Sequence[Prompt]) -> list[Generation]:
        seen.append([len(prompt.ids) for prompt in batch])
        return [Generation(str(prompt.row), "eos", 1) for prompt in batch]

    prompts = [Prompt(row, [7] * length) for row, length in enumerate(lengths)]
    told: list[int] = []
    found = answers_in_batches(
        prompts, write, longest=None, new_tokens=2, copies=copies, batch_tokens=batch_tokens,
        on_progress=told.append,
    )  # fmt: skip
    assert [generation.text for generation in found] == [str(row) for row in range(len(lengths))]
    assert told == [len(batch) for batch in seen]
    return seen


def test_rows_of_like_length_share_a_batch_within_the_budget() -> None:
    """2 new tokens each: 2 x 10 fit 20; then 5 x 4; a row longer than the budget goes alone."""
    assert lengths_of_batches([2, 8, 1, 8, 2, 30, 2, 2], 20) == [[30], [8, 8], [2, 2, 2, 2, 1]]
    assert lengths_of_batches([2, 2, 2, 2], 16, copies=2) == [[2, 2], [2, 2]]


def test_a_batch_too_large_for_the_gpu_is_halved() -> None:
    sizes: list[int] = []

    def write(batch: Sequence[Prompt]) -> list[Generation]:
        sizes.append(len(batch))
        if len(batch) > 1 or batch[0].row == 2:
            raise torch.OutOfMemoryError
        return [Generation("fine", "eos", 1)]

    found = answers_in_batches(
        [Prompt(row, [7]) for row in range(4)], write, longest=None, new_tokens=1, copies=1,
        batch_tokens=100,
    )  # fmt: skip

    assert sizes == [4, 2, 1, 1, 2, 1, 1]
    assert [one.error for one in found] == [
        None, None, "the GPU's memory is too small for it", None,
    ]  # fmt: skip


@pytest.mark.parametrize("beams", [1, 3])
def test_a_causal_model_answers_in_batches_as_alone(
    model_folder: Path, tokenizer_folder: Path, beams: int
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    prompts = [Prompt(row, tokenizer(text)["input_ids"]) for row, text in enumerate(TEXTS)]
    settings = GenerationSettings(max_new_tokens=6, beams=beams)
    vocabulary = Vocabulary(len(tokenizer), frozenset({tokenizer.eos_token_id}), 0)
    longest = len(prompts[0].ids) + 6

    def answers(batch_tokens: int, longest: int | None = longest) -> list[Generation]:
        return causal_answers(
            model, prompts, settings, vocabulary, tokenizer.decode, longest=longest,
            batch_tokens=batch_tokens,
        )  # fmt: skip

    together = answers(4096)

    assert together == answers(1)
    assert answers(4096, longest - 1)[0].error is not None
    if beams == 1:
        assert (
            together[2] == generate(model, [prompts[2]], settings, vocabulary, tokenizer.decode)[0]
        )
