"""BLEU, chrF and TER equal sacreBLEU's corpus scores, on every subset of the examples."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from llmctl.evaluation.outcome import signature_text
from llmctl.metrics.base import Measured
from llmctl.metrics.bleu import bleu
from llmctl.metrics.chrf import chrf, chrf_plus_plus
from llmctl.metrics.ter import ter

TOLERANCE = 1e-9  # both work in float64; they differ in the order of a dozen operations

ENGLISH = [
    "The house is on fire, and nobody calls for help.",
    "It costs $1,234.50 in U.S. shops.",
    'She said: "Don\'t go there!"',
    "A short one.",
    "No",
    "",
    "The quick brown fox jumps over the lazy dog near the river bank today.",
]
CHINESE = [
    "今天天气很好，我们去公园散步吧。",
    "他在GitHub上发布了3.5版本。",
    "请问您要点什么？",
    "好",
    "上海是中国最大的城市之一，也是国际金融中心。",
]


def damaged(texts: list[str], seed: int) -> list[str]:
    """Each text with characters dropped, doubled and moved."""
    draws = random.Random(seed)
    hypotheses = []
    for text in texts:
        kept = [c * draws.choice([1, 1, 1, 1, 2]) for c in text if draws.random() > 0.15]
        cut = draws.randrange(len(kept) + 1)
        hypotheses.append("".join(kept[cut:] + kept[:cut] if draws.random() < 0.5 else kept))
    return hypotheses


def streams(references: list[list[str]]) -> list[Any]:
    return list(zip_longest(*references))


Case = tuple[Callable[..., Measured], dict[str, Any], Callable[[], Any]]
CASES: dict[str, Case] = {
    "bleu": (bleu, {}, lambda: BLEU(tokenize="13a")),
    "bleu-lc": (bleu, {"lowercase": True}, lambda: BLEU(lowercase=True)),
    "bleu-intl": (bleu, {"tokenizer": "intl"}, lambda: BLEU(tokenize="intl")),
    "bleu-char": (bleu, {"tokenizer": "char"}, lambda: BLEU(tokenize="char")),
    "chrf": (chrf, {}, CHRF),
    "chrf-lc": (chrf, {"lowercase": True}, lambda: CHRF(lowercase=True)),
    "chrf++": (chrf_plus_plus, {}, lambda: CHRF(word_order=2)),
    "ter": (ter, {}, TER),
    "ter-cased": (
        ter,
        {"case_sensitive": True, "no_punct": True, "normalized": True},
        lambda: TER(case_sensitive=True, no_punct=True, normalized=True),
    ),
}
CHINESE_CASES: dict[str, Case] = {
    "bleu-zh": (bleu, {}, lambda: BLEU(tokenize="zh")),
    "chrf-zh": (chrf, {}, CHRF),
    "ter-zh": (ter, {}, lambda: TER(normalized=True, asian_support=True)),
}


def check(case: Case, predictions: list[str], references: list[list[str]], seed: int) -> None:
    ours, settings, theirs = case
    measured = ours(predictions, references, **settings)
    draws = np.random.default_rng(seed)
    for size in range(1, len(predictions) + 1):
        rows = draws.choice(len(predictions), size)
        chosen = [references[row] for row in rows]
        expected = theirs().corpus_score([predictions[row] for row in rows], streams(chosen)).score
        assert measured.of(rows)[0] == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CASES)
def test_any_choice_of_english_examples_scores_as_sacrebleu_says(name: str, seed: int) -> None:
    draws = random.Random(seed)
    references = [[text, *damaged([text] * draws.randrange(3), seed + 50)] for text in ENGLISH]

    check(CASES[name], damaged(ENGLISH, seed), references, seed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CHINESE_CASES)
def test_any_choice_of_chinese_examples_scores_as_sacrebleu_says(name: str, seed: int) -> None:
    check(CHINESE_CASES[name], damaged(CHINESE, seed), [[text] for text in CHINESE], seed)


def test_bleu_by_hand() -> None:
    """4 of 5 words, 3 of 4 pairs, 2 of 3 and 1 of 2; a word shorter than the reference."""
    measured = bleu(["a b c d x"], ["a b c d e f"])

    precision = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    expected = 100 * np.exp(1 - 6 / 5) * precision
    assert measured.values()["bleu"] == pytest.approx(expected, rel=1e-12)
    assert measured.statistics.tolist() == [[5, 6, 4, 3, 2, 1, 5, 4, 3, 2]]


def test_ter_by_hand() -> None:
    """One substitution in four words, then a phrase shifted in one edit of five words."""
    measured = ter(["a b c x", "d e a b c"], ["a b c d", "a b c d e"])

    assert measured.statistics.tolist() == [[1, 4], [1, 5]]
    assert measured.values()["ter"] == pytest.approx(100 * 2 / 9, rel=1e-12)


def test_edits_of_no_words_are_a_hundred_per_cent() -> None:
    assert ter(["a", ""], ["", ""]).values() == {"ter": 100.0}
    assert ter([""], [""]).values() == {"ter": 0.0}


@pytest.mark.parametrize("metric", [bleu, chrf, chrf_plus_plus])
def test_the_same_text_scores_a_hundred_and_another_nothing(
    metric: Callable[..., Measured],
) -> None:
    (same,) = metric(CHINESE, CHINESE).values().values()
    (other,) = metric(["wholly unlike"], ["今天天气很好啊"]).values().values()

    assert same == pytest.approx(100, rel=1e-12)
    assert other == 0


def test_many_resamples_are_scored_at_once() -> None:
    measured = bleu(damaged(ENGLISH, 3), ENGLISH)
    weights = np.random.default_rng(0).multinomial(7, [1 / 7] * 7, size=(4, 6)).astype(float)

    assert measured.from_sums is not None
    together = measured.from_sums(weights @ measured.statistics)

    one_by_one = [
        [measured.of(np.repeat(np.arange(7), times.astype(int)))[0] for times in row]
        for row in weights
    ]
    assert together.shape == (4, 6, 1)
    np.testing.assert_allclose(together[..., 0], one_by_one, rtol=1e-12)


def test_signatures_are_those_of_sacrebleu() -> None:
    stock = BLEU(tokenize="zh")
    stock.corpus_score(CHINESE, [CHINESE])

    assert signature_text("", bleu(CHINESE, CHINESE).signature) == f"|{stock.get_signature()}"
    assert bleu(["a", "b"], [["a"], ["b", "c"]]).signature["nrefs"] == "var"
    assert list(ter(["a"], ["a"]).signature)[-1] == "version"
    assert chrf_plus_plus(["a"], ["a"]).signature["nw"] == 2


def test_short_predictions_and_split_ones_are_pointed_out() -> None:
    (note,) = bleu(["a b c"], ["a b c"]).notes
    assert "no prediction has four tokens" in note

    tokenized = ["this was split ."] * 100
    assert "full stop after a blank" in bleu(tokenized, tokenized).notes[0]
