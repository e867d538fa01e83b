"""Generation: the same text in any batch, against transformers' own and against models by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from llmctl.evaluation.generation import (
    Generation,
    Prompt,
    Vocabulary,
    generate,
    generate_with_beams,
)
from llmctl.evaluation.generation_settings import GenerationSettings
from llmctl.evaluation.sampling import (
    choose_drawn,
    choose_likeliest,
    keep_top_k,
    keep_top_p,
    random_numbers,
)
from llmctl.evaluation.stop_words import find_stop, settled_length, tail_tokens

ALPHABET = Vocabulary(size=26, eos_ids=frozenset(), pad_id=0)


def letters(ids: list[int]) -> str:
    return "".join(chr(ord("a") + token) for token in ids)


class NextLetter:
    """A model by hand: after a letter comes the next one of the alphabet; its logits are 0 or 1.

    It keeps what it was given, as a key-value cache that rows can be picked from.
    """

    device = torch.device("cpu")

    def __init__(self, vocabulary_size: int = 26, nan_after: int | None = None) -> None:
        self.vocabulary_size, self.nan_after = vocabulary_size, nan_after
        self.batch_sizes: list[int] = []
        self.positions: list[list[list[int]]] = []

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        past_key_values: Any = None,
        use_cache: bool = True,
    ) -> Any:
        self.batch_sizes.append(len(input_ids))
        self.positions.append(position_ids.tolist())
        cache = past_key_values or Remembered(input_ids)
        if past_key_values is not None:
            cache.ids = torch.cat([cache.ids, input_ids], dim=1)
        assert cache.ids.shape == attention_mask.shape
        following = (input_ids[:, -1] + 1) % self.vocabulary_size
        logits = torch.nn.functional.one_hot(following, self.vocabulary_size).float()
        if self.nan_after is not None:
            logits[input_ids[:, -1] == self.nan_after] = torch.nan
        return SimpleNamespace(logits=logits[:, None], past_key_values=cache)

    __call__ = forward


class Remembered:
    def __init__(self, ids: torch.Tensor) -> None:
        self.ids = ids

    def batch_select_indices(self, index: torch.Tensor) -> None:
        self.ids = self.ids[index]


def run(
    prompts: list[str], vocabulary: Vocabulary = ALPHABET, model: Any = None, **settings: Any
) -> list[Generation]:
    ids = [[ord(letter) - ord("a") for letter in prompt] for prompt in prompts]
    return generate(
        model or NextLetter(),
        [Prompt(row, row_ids) for row, row_ids in enumerate(ids)],
        GenerationSettings(**{"max_new_tokens": 4, **settings}),
        vocabulary,
        letters,
    )


def test_each_row_continues_its_own_prompt() -> None:
    assert [found.text for found in run(["abc", "x", "klmnop"])] == ["defg", "yzab", "qrst"]


def test_a_text_ends_at_its_length() -> None:
    assert run(["abc"], max_new_tokens=2) == [Generation("de", "length", 2)]


def test_a_text_ends_with_the_end_token_which_is_not_in_it() -> None:
    ending = Vocabulary(26, frozenset({ord("f") - ord("a")}), pad_id=0)
    assert run(["abc", "x"], ending) == [
        Generation("de", "eos", 3),
        Generation("yzab", "length", 4),
    ]


@pytest.mark.parametrize(
    ("stop", "text", "reason", "tokens"),
    [
        (["f"], "de", "stop", 3),
        (["ef"], "d", "stop", 3),  # over the border of two tokens
        (["de"], "", "stop", 2),
        (["cd"], "defg", "length", 4),  # over the border of the prompt: no
        (["fg", "e"], "d", "stop", 2),  # the first to come
        (["gh"], "defg", "length", 4),  # not complete
    ],
)
def test_stop_words_end_a_text_and_are_cut(
    stop: list[str], text: str, reason: Any, tokens: int
) -> None:
    assert run(["abc"], stop=stop) == [Generation(text, reason, tokens)]


def test_a_stop_word_is_found_late_in_a_long_text() -> None:
    assert run(["a"], stop=["yz"], max_new_tokens=100)[0] == Generation(letters([*range(1, 24)]),
                                                                        "stop", 25)  # fmt: skip


def test_positions_are_counted_from_the_first_real_token() -> None:
    model = NextLetter()
    run(["abcd", "x"], model=model, max_new_tokens=3)
    assert model.positions == [[[0, 1, 2, 3], [0, 0, 0, 0]], [[4], [1]], [[5], [2]]]


def test_rows_that_are_done_leave_the_batch_when_half_are() -> None:
    ending = Vocabulary(26, frozenset({3}), pad_id=0)  # "d"
    model = NextLetter()
    found = run(["c", "b", "e", "g"], ending, model, max_new_tokens=5)
    assert [one.text for one in found] == ["", "c", "fghij", "hijkl"]
    assert model.batch_sizes == [4, 4, 2, 2, 2]


def test_ids_beyond_the_tokenizer_are_never_chosen() -> None:
    """The model would go on to token 26, a padding row of its vocabulary."""
    padded = NextLetter(vocabulary_size=32)
    assert run(["z"], model=padded)[0].text[0] == "a"  # all other logits are equal: the first


def test_a_row_whose_output_is_not_a_number_is_an_error_alone() -> None:
    found = run(["a", "l"], model=NextLetter(nan_after=2))
    assert found[1] == Generation("mnop", "length", 4)
    assert found[0].error == "the model's output is not a number after 2 tokens"
    drawn = run(["a", "l"], model=NextLetter(nan_after=2), temperature=0.01)
    assert drawn[0].error is not None
    assert drawn[1].text == "mnop"


def test_text_is_passed_on_as_it_is_settled() -> None:
    pieces: list[str] = []
    settings = GenerationSettings(max_new_tokens=10, stop=["gX", "hij"])
    found = generate(
        NextLetter(), [Prompt(0, [2])], settings, ALPHABET, letters, on_text=pieces.append
    )
    assert found[0].text == "defg"
    assert pieces == ["d", "e", "f", "g"]  # g is held until it cannot begin "gX"
    assert "".join(pieces) == found[0].text


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    # Large untied weights: each place and each earlier token changes what comes next.
    config = GPT2Config(
        vocab_size=384, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0,
        eos_token_id=0, initializer_range=0.5, tie_word_embeddings=False,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=384, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        initializer_range=0.5,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.fixture(scope="module", params=[_gpt2, _llama])
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return request.param().eval()


PROMPTS = [
    np.random.default_rng(number).integers(1, 384, size=length).tolist()
    for number, length in enumerate((3, 17, 1, 8, 30, 8, 2))
]
REAL = Vocabulary(384, frozenset({0}), pad_id=0)


def _ids(model: Any, prompts: list[Prompt], batch_size: int, settings: GenerationSettings) -> Any:
    """The continuations as lists of ids, written as text."""

    def decode(ids: list[int]) -> str:
        return "".join(f"{token} " for token in ids)

    found = []
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        made = (generate if settings.beams == 1 else generate_with_beams)(
            model, batch, settings, REAL, decode
        )
        found += [[int(word) for word in one.text.split()] for one in made]
    return found


def _reference(model: Any, prompt: list[int], **options: Any) -> list[int]:
    made = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=12, do_sample=False, eos_token_id=0, pad_token_id=0, **options,
    )[0, len(prompt) :].tolist()  # fmt: skip
    return made[: made.index(0)] if 0 in made else made


def test_greedy_text_is_that_of_transformers_for_any_batch_size(model: Any) -> None:
    expected = [_reference(model, prompt) for prompt in PROMPTS]
    assert len({tuple(ids) for ids in expected}) == len(PROMPTS)  # the prompts matter
    prompts = [Prompt(row, ids) for row, ids in enumerate(PROMPTS)]
    for batch_size in (1, 3, 7):
        assert _ids(model, prompts, batch_size, GenerationSettings(max_new_tokens=12)) == expected


def test_beams_find_what_transformers_finds_for_any_batch_size(model: Any) -> None:
    expected = [_reference(model, prompt, num_beams=3) for prompt in PROMPTS]
    settings = GenerationSettings(max_new_tokens=12, beams=3)
    prompts = [Prompt(row, ids) for row, ids in enumerate(PROMPTS)]
    for batch_size in (1, 7):
        assert _ids(model, prompts, batch_size, settings) == expected


def test_what_is_drawn_for_a_row_does_not_depend_on_its_batch(model: Any) -> None:
    settings = GenerationSettings(max_new_tokens=12, temperature=1.3, top_k=50, top_p=0.95, seed=5)
    prompts = [Prompt(row, ids) for row, ids in enumerate(PROMPTS)]
    alone = _ids(model, prompts, 1, settings)
    assert _ids(model, prompts, 7, settings) == alone
    assert _ids(model, prompts[::-1], 3, settings) == alone[::-1]


def test_another_seed_or_row_draws_another_text(model: Any) -> None:
    settings = GenerationSettings(max_new_tokens=12, temperature=1.0, seed=5)
    one = _ids(model, [Prompt(0, PROMPTS[0])], 1, settings)
    assert _ids(model, [Prompt(0, PROMPTS[0])], 1, settings) == one
    assert _ids(model, [Prompt(1, PROMPTS[0])], 1, settings) != one
    other = settings.model_copy(update={"seed": 6})
    assert _ids(model, [Prompt(0, PROMPTS[0])], 1, other) != one


@pytest.mark.parametrize(
    ("number", "expected"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.79, 1), (0.81, 2), (0.9999, 2)]
)
def test_a_number_draws_the_token_in_whose_share_it_falls(number: float, expected: int) -> None:
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    numbers = torch.tensor([number], dtype=torch.float64)
    assert choose_drawn(logits, numbers, temperature=1.0).tolist() == [expected]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    numbers = torch.from_numpy(random_numbers(0, 0, 20_000))
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log().expand(20_000, 3)
    counts = choose_drawn(logits, numbers, temperature=1.0).bincount(minlength=3) / 20_000
    assert counts.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.015)  # four deviations


def test_temperature_sharpens() -> None:
    """At 0.5 the shares .5 .3 .2 become .25 .09 .04 over .38: 0.658, 0.237, 0.105."""
    logits = torch.tensor([[0.5, 0.3, 0.2]] * 4).log()
    numbers = torch.tensor([0.65, 0.66, 0.89, 0.90], dtype=torch.float64)
    assert choose_drawn(logits, numbers, temperature=0.5).tolist() == [0, 1, 1, 2]


def test_a_token_of_no_probability_is_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]] * 2)
    numbers = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert choose_drawn(logits, numbers, temperature=1.0).tolist() == [1, 1]


@pytest.mark.parametrize("count", [1, 3, 50, 1000])
def test_top_k_is_that_of_transformers(count: int) -> None:
    from transformers import TopKLogitsWarper

    logits = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    expected = TopKLogitsWarper(count)(None, logits)
    assert torch.equal(keep_top_k(logits, count), expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_top_p_is_that_of_transformers(share: float) -> None:
    from transformers import TopPLogitsWarper

    logits = 3 * torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    expected = TopPLogitsWarper(share)(None, logits)
    assert torch.equal(keep_top_p(logits, share), expected)


def test_the_first_of_equal_logits_is_the_likeliest() -> None:
    assert choose_likeliest(torch.tensor([[1.0, 3.0, 3.0]])).tolist() == [1]


def test_random_numbers_belong_to_a_seed_and_a_row() -> None:
    assert np.array_equal(random_numbers(1, 2, 5), random_numbers(1, 2, 9)[:5])
    assert not np.array_equal(random_numbers(1, 2, 5), random_numbers(1, 3, 5))
    assert not np.array_equal(random_numbers(1, 2, 5), random_numbers(2, 2, 5))


def test_the_first_stop_word_counts() -> None:
    assert find_stop("one two", ["two", "ne"]) == 1
    assert find_stop("one", []) is None


@pytest.mark.parametrize(
    ("text", "words", "length"),
    [("hello", ["\nUser"], 5), ("hello\nU", ["\nUser"], 5), ("a\nUsx", ["\nUser"], 5),
     ("月\ufffd", [], 1), ("aab", ["aabc", "bx"], 0), ("", ["x"], 0)],
)  # fmt: skip
def test_text_that_may_grow_into_a_stop_word_is_not_settled(
    text: str, words: list[str], length: int
) -> None:
    assert settled_length(text, words) == length


def test_a_stop_word_spans_no_more_tokens_than_bytes() -> None:
    assert tail_tokens(["月", "ab"]) == 3 + 3


@pytest.mark.parametrize(
    "settings",
    [
        {"beams": 2, "temperature": 0.5},
        {"beams": 2, "top_k": 5},
        {"temperature": 0, "top_p": 0.5},
        {"stop": [""]},
        {"max_new_tokens": 0},
        {"top_p": 0},
        {"temperature": -1},
        {"temperature": float("nan")},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GenerationSettings(**settings)


def test_top_p_alone_means_to_draw() -> None:
    assert GenerationSettings(top_p=0.9).drawing_temperature == 1.0
    assert not GenerationSettings().draws


@pytest.mark.parametrize(
    ("given", "positions", "tokens"),
    [(None, None, 64), (None, 1024, 64), (None, 64, 32), (9, 64, 9)],
)
def test_the_usual_number_of_tokens_leaves_room_for_a_prompt(
    given: int | None, positions: int | None, tokens: int
) -> None:
    assert GenerationSettings(max_new_tokens=given).resolved(positions).max_new_tokens == tokens
