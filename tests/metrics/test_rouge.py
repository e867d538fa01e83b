"""ROUGE equals rouge_score on ASCII text, and in Chinese rouge_score over character tokens."""

from __future__ import annotations

import random
from typing import Literal

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from llmctl.metrics.rouge import rouge
from llmctl.metrics.text_tokens import has_single_characters, tokens, words

STOCK = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
TOLERANCE = 1e-10  # the same counts, divided and added in another order

WORDS = [
    "the",
    "cat",
    "cats",
    "running",
    "runs",
    "sat",
    "on",
    "a",
    "mat,",
    "mats.",
    "DOG_house",
    "3.5",
]
WORDS += ["it's", "well-known", "\n\n", "\n"]
CHARACTERS = "模型很好的天气在北京,。！\n"


def some_text(draws: random.Random, words: str | list[str], join: str) -> str:
    return join.join(draws.choices(words, k=draws.randrange(25)))


def stock_scores(
    predictions: list[str], references: list[list[str]], *, stem: bool = False
) -> np.ndarray:
    scorer = RougeScorer(STOCK, use_stemmer=stem)
    found = [scorer.score_multi(r, p) for p, r in zip(predictions, references, strict=True)]
    return np.array([[100 * scores[name].fmeasure for name in STOCK] for scores in found])


@pytest.mark.parametrize("stem", [False, True])
def test_ascii_text_scores_as_rouge_score_says(stem: bool) -> None:
    draws = random.Random(1)
    predictions = [some_text(draws, WORDS, " ") for _ in range(150)]
    references = [
        [some_text(draws, WORDS, " ") for _ in range(draws.randrange(1, 4))] for _ in range(150)
    ]

    found = rouge(predictions, references, stem=stem).statistics[:, :4]

    expected = stock_scores(predictions, references, stem=stem)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    assert (found[:, 3] > found[:, 2] + 1).any()  # sentences are really looked at


def test_chinese_text_scores_as_rouge_score_on_character_tokens() -> None:
    """Each character becomes an ASCII word of its own, and each end of a sentence a line's."""
    draws = random.Random(2)
    texts = [some_text(draws, CHARACTERS, "") for _ in range(160)]
    in_ascii = ["".join(_ascii_word(c) for c in text) for text in texts]

    found = rouge(texts[:80], texts[80:]).statistics[:, :4]

    expected = stock_scores(in_ascii[:80], [[text] for text in in_ascii[80:]])
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


def _ascii_word(character: str) -> str:
    return "\n" if character in "。！\n" else f" {ord(character)} " if character != "," else " "


def test_identical_chinese_scores_a_hundred_and_stock_rouge_nothing() -> None:
    text = "今天天气很好。我们去公园。"

    assert rouge([text], [text]).values() == {
        "rouge_1": 100.0, "rouge_2": 100.0, "rouge_l": 100.0, "rouge_lsum": 100.0
    }  # fmt: skip
    assert stock_scores([text], [[text]]).max() == 0


def test_mixed_text_is_scored_by_all_its_letters() -> None:
    """模型的是18: 5 tokens in common of 10 and 9. Stock ROUGE would see `18` alone."""
    found = rouge(["GPT-2模型的困惑度是18"], ["BERT模型的准确率是18"]).values()

    assert words("GPT-2模型的困惑度是18") == [
        "gpt", "2", "模", "型", "的", "困", "惑", "度", "是", "18"
    ]  # fmt: skip
    precision, recall = 5 / 10, 5 / 9
    assert found["rouge_1"] == pytest.approx(200 * precision * recall / (precision + recall))


def test_by_hand() -> None:
    """3 of 4 words in common, no pair of 3, and 2 words in the same order: `the cat`."""
    found = rouge(["sat the big cat"], ["the cat sat down"]).values()

    assert found["rouge_1"] == pytest.approx(75)
    assert found["rouge_2"] == 0
    assert found["rouge_l"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("我喜欢猫。\n你喜欢狗。", "你喜欢狗。\n我喜欢猫。"),
        ("我喜欢猫！你喜欢狗？", "你喜欢狗!我喜欢猫"),
    ],
)
def test_sentences_of_chinese_end_with_its_own_marks(one: str, other: str) -> None:
    found = rouge([one], [other]).values()

    assert found["rouge_lsum"] == pytest.approx(100)
    assert found["rouge_l"] is not None
    assert found["rouge_l"] < 80


def test_sentences_of_english_end_with_a_line_only_as_in_rouge_score() -> None:
    one, other = "I like cats! You like dogs?", "You like dogs? I like cats!"

    found = rouge([one], [other]).values()

    assert found["rouge_lsum"] == found["rouge_l"]


@pytest.mark.parametrize(
    ("multi_reference", "rouge_1", "rouge_2"),
    [("best", 100 * 4 / 5, 100 * 2 / 3), ("mean", 40 + 100 / 6, 100 / 3), ("first", 100 / 3, 0.0)],
)
def test_of_several_references_the_chosen_one_counts(
    multi_reference: Literal["best", "mean", "first"], rouge_1: float, rouge_2: float
) -> None:
    """`the b c` shares 1 word of 3 and 3; `the cat` 2 of 3 and 2, and 1 pair of 2 and 1."""
    measured = rouge(["the cat sat"], [["the b c", "the cat"]], multi_reference=multi_reference)

    assert measured.values()["rouge_1"] == pytest.approx(rouge_1)
    assert measured.values()["rouge_2"] == pytest.approx(rouge_2)
    assert measured.signature["multi"] == multi_reference
    assert measured.signature["nrefs"] == 2


def test_the_numbers_are_plain_means_whatever_the_global_generator() -> None:
    """rouge_score's own aggregate is a bootstrap's middle, another one at each call."""
    predictions, references = ["a b c", "a", "x"], ["a b d", "a", "y"]
    np.random.seed(0)
    first = rouge(predictions, references)
    np.random.seed(1)

    assert rouge(predictions, references).values() == first.values()
    assert first.values()["rouge_1"] == pytest.approx((200 / 3 + 100 + 0) / 3)


def test_empty_texts_score_nothing_and_are_counted() -> None:
    measured = rouge(["", "a", "a"], ["", "!?", "a"])

    assert measured.statistics[:, 0].tolist() == [0, 0, 100]
    assert measured.notes == ("2 of 3 references have neither letters nor digits, and score 0",)


def test_words_of_other_writings_stay_whole() -> None:
    assert words("Café İstanbul") == ["café", "i̇stanbul"]
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("Привет, мир_2") == ["привет", "мир", "2"]
    assert words("서울은 좋다") == ["서", "울", "은", "좋", "다"]
    assert words("東京タワーへ") == ["東", "京", "タ", "ワ", "ー", "へ"]
    assert words("𠮷野❤️") == ["𠮷", "野"]


def test_tokens_keep_case_and_signs() -> None:
    assert tokens("Don't 好。café!") == ["Don", "'", "t", "好", "。", "café", "!"]
    assert tokens("Don't") == ["Don", "'", "t"]
    assert not has_single_characters("café")
    assert has_single_characters("é好")
