"""On real translations and summaries: our numbers against the reference implementations'.

Needs the folder of shared data sets beside the repository, and skips without it.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER

from llmctl.metrics.bleu import bleu
from llmctl.metrics.chrf import chrf, chrf_plus_plus
from llmctl.metrics.exact_match import exact_match
from llmctl.metrics.rouge import rouge
from llmctl.metrics.ter import ter

DATA = Path(__file__).parents[3] / "shared" / "data"
TOLERANCE = 1e-9  # float64 on both sides, added in another order
STOCK = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
HAN = re.compile(r"[\u4e00-\u9fff]")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here"),
]


def lines(name: str) -> list[str]:
    return (DATA / name).read_text(encoding="utf-8").rstrip("\n").split("\n")


def rows(name: str) -> list[Any]:
    content = (DATA / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    return [json.loads(line) for line in text.decode().split("\n") if line]


def damaged(texts: list[str], seed: int = 0) -> list[str]:
    """Every text with 15% of its words, or of a Chinese one's characters, lost, and two halves
    exchanged in one of five."""
    draws = random.Random(seed)
    found = []
    for text in texts:
        join = "" if HAN.search(text) else " "
        parts = list(text) if not join else text.split(join)
        kept = [part for part in parts if draws.random() > 0.15]
        half = len(kept) // 2 if draws.random() < 0.2 else 0
        found.append(join.join(kept[half:] + kept[:half]))
    return found


REFERENCES: dict[str, Callable[[], list[list[str]]]] = {
    "ntrex-zh": lambda: [[text] for text in lines("ntrex-news/newstest2019-ref.zho-CN.txt")],
    "ntrex-de": lambda: [[text] for text in lines("ntrex-news/newstest2019-ref.deu.txt")],
    "ntrex-fr": lambda: [[text] for text in lines("ntrex-news/newstest2019-ref.fra.txt")],
    "tatoeba-zh": lambda: [[text] for text in lines("tatoeba-1k/tatoeba.cmn-eng.cmn")],
    "tatoeba-de": lambda: [[text] for text in lines("tatoeba-1k/tatoeba.deu-eng.deu")],
    "scitldr": lambda: [row["target"] for row in rows("scitldr/dev.jsonl.gz")],
}


@pytest.mark.parametrize("metric", ["bleu", "chrf", "chrf_plus_plus", "ter"])
@pytest.mark.parametrize("name", REFERENCES)
def test_translation_metrics_equal_sacrebleu(name: str, metric: str) -> None:
    references = REFERENCES[name]()[
        : 40 if metric == "ter" else None
    ]  # its search for shifts is slow
    predictions = damaged([given[0] for given in references])
    chinese = name.endswith("zh")
    ours, theirs = {
        "bleu": (bleu, BLEU(tokenize="zh" if chinese else "13a")),
        "chrf": (chrf, CHRF()),
        "chrf_plus_plus": (chrf_plus_plus, CHRF(word_order=2)),
        "ter": (ter, TER(normalized=chinese, asian_support=chinese)),
    }[metric]

    (found,) = ours(predictions, references).values().values()

    expected = theirs.corpus_score(predictions, list(zip_longest(*references))).score
    assert found == pytest.approx(expected, abs=TOLERANCE)
    assert 5 < expected < 95


def stock_rouge(
    predictions: list[str], references: list[list[str]], *, stem: bool = False
) -> np.ndarray:
    scorer = RougeScorer(STOCK, use_stemmer=stem)
    found = [scorer.score_multi(r, p) for p, r in zip(predictions, references, strict=True)]
    return np.array([[100 * scores[name].fmeasure for name in STOCK] for scores in found])


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_of_english_summaries_equals_rouge_score(stem: bool) -> None:
    kept = [
        (prediction, row["target"])
        for row in rows("scitldr/dev.jsonl.gz")
        if (prediction := "\n".join(row["source"][:2])).isascii()
        and "".join(row["target"]).isascii()
    ]
    predictions, references = [list(column) for column in zip(*kept, strict=True)]

    found = rouge(predictions, references, stem=stem).statistics[:, :4]

    assert len(kept) > 550
    expected = stock_rouge(predictions, references, stem=stem)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def in_ascii(text: str) -> str:
    """Each Chinese character as an ASCII word, other signs as blanks, a line for each sentence."""
    text = re.sub(r"[。！？!?；…]", "\n", text) if HAN.search(text) else text
    text = HAN.sub(lambda match: f" {ord(match[0])} ", text)
    return re.sub(r"[^\x00-\x7f]", " ", text)


def chinese_pairs(name: str) -> list[tuple[str, str]]:
    if name == "crosswoz-summary":
        return [(row["dialogue"][:300], row["summary"]) for row in rows(f"{name}/dev.jsonl")]
    references = [given[0] for given in REFERENCES[name]()]
    return list(zip(damaged(references), references, strict=True))


@pytest.mark.parametrize("name", ["crosswoz-summary", "ntrex-zh", "tatoeba-zh"])
def test_rouge_of_chinese_equals_rouge_score_on_characters(name: str) -> None:
    """Texts with letters of a third writing, such as `é` or full-width ones, are left out."""
    pairs = [
        pair
        for pair in chinese_pairs(name)
        if not any(c.isalnum() for c in HAN.sub("", "".join(pair)) if not c.isascii())
    ]
    predictions, references = [list(column) for column in zip(*pairs, strict=True)]

    found = rouge(predictions, references).statistics[:, :4]

    assert len(pairs) >= 90
    expected = stock_rouge(
        [in_ascii(text) for text in predictions], [[in_ascii(text)] for text in references]
    )
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_the_answers_of_gsm8k_are_all_found() -> None:
    """Every solution's own `#### N`, against the same number written in another way."""
    answers = [row["answer"] for row in rows("gsm8k/dev.jsonl")]
    numbers = [float(answer.split("#### ")[1].replace(",", "")) for answer in answers]

    right = exact_match(answers, [f"{number:,.2f}" for number in numbers], extract="gsm8k")
    wrong = exact_match(answers, [f"{number + 1:,.2f}" for number in numbers], extract="gsm8k")

    assert right.values() == {"exact_match": 1.0}
    assert right.notes == ()
    assert wrong.values() == {"exact_match": 0.0}
