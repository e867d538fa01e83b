from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples
from shared_data import answers_of, damaged

from llmctl.errors import DataError
from llmctl.metrics.squad import best_no_answer_threshold, normalized, squad

WORDS = ["the", "Rome", "rome.", "a", "U.S.", "in", "1,000", "—", "An", "old", "北京", "-"]


def plain_words(text: str) -> list[str]:
    """The rules as Rajpurkar et al. publish them, step by step."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def by_rules(predictions: list[str], references: list[list[str]], version: str) -> Numbers:
    exact, f1, answered = [], [], []
    for answer, right in zip(predictions, references, strict=True):
        answered.append(bool(right))
        texts = right
        if version == "v2":
            texts = [text for text in right if plain_words(text)] or [""]
        exact.append(max(plain_words(answer) == plain_words(text) for text in texts))
        scores = []
        for text in texts:
            said, known = plain_words(answer), plain_words(text)
            shared = sum((Counter(said) & Counter(known)).values())
            if version == "v2" and (not said or not known):
                scores.append(float(said == known))
            else:
                scores.append(2 * shared / (len(said) + len(known)) if shared else 0.0)
        f1.append(max(scores))
    found: Numbers = {"squad_f1": 100 * np.mean(f1), "squad_em": 100 * np.mean(exact)}
    if version == "v2":
        has, one, other = np.array(answered), np.array(f1), np.array(exact)
        found["has_answer_f1"] = 100 * one[has].mean() if has.any() else None
        found["has_answer_em"] = 100 * other[has].mean() if has.any() else None
        found["no_answer_accuracy"] = 100 * other[~has].mean() if not has.all() else None
    return found


def drawn(
    rows: int, seed: int, *, empty: bool, shortest: int = 0, words: Sequence[str] = WORDS
) -> tuple[list[str], list[list[str]]]:
    generator = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(generator.choice(words, generator.integers(shortest, 4)))

    low = 0 if empty else 1
    return [text() for _ in range(rows)], [
        [text() for _ in range(generator.integers(low, 4))] for _ in range(rows)
    ]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_every_number_follows_the_published_rules(version: Any) -> None:
    assert_resamples(
        lambda p, r: squad(p, r, version=version), *drawn(150, 1, empty=version == "v2"),
        lambda p, r: by_rules(p, r, version),
    )  # fmt: skip


def test_few_questions_may_all_or_none_have_answers() -> None:
    for seed in range(20):
        assert_resamples(
            lambda p, r: squad(p, r, version="v2"), *drawn(3, seed, empty=True),
            lambda p, r: by_rules(p, r, "v2"),
        )  # fmt: skip


def test_answers_of_which_nothing_is_left_tell_the_versions_apart() -> None:
    first = squad(["the"], [["a"]], version="v1").values()
    second = squad(["the"], [["a"]], version="v2").values()

    assert (first["squad_f1"], first["squad_em"]) == (0.0, 100.0)
    assert (second["squad_f1"], second["squad_em"]) == (100.0, 100.0)


def test_a_question_without_answer_wants_the_empty_text() -> None:
    found = squad(["", "Rome", "Paris"], [[], [], ["Paris"]], version="v2")

    assert_equal(
        found.values(),
        {"squad_f1": 200 / 3, "squad_em": 200 / 3, "has_answer_f1": 100.0,
         "has_answer_em": 100.0, "no_answer_accuracy": 50.0},
    )  # fmt: skip


def test_the_best_of_several_answers_counts_for_each_number_by_itself() -> None:
    # F1 of "b c" with "b c d" is 4/5, with "b" 2/3.
    assert_equal(squad(["b c"], [["b", "b c d"]]).values(), {"squad_f1": 80.0, "squad_em": 0.0})


def test_full_width_punctuation_stays() -> None:
    assert normalized("北京大学。") == "北京大学。"
    assert squad(["北京大学。"], ["北京大学"]).values() == {"squad_f1": 0.0, "squad_em": 0.0}


def by_published_search(
    scores: list[float], gains: list[float], answered: list[bool]
) -> tuple[float, float]:
    """From all unanswered, answers are let in one by one; the first best is kept."""
    current = best = float(answered.count(False))
    threshold = 0.0
    for question in sorted(range(len(scores)), key=lambda number: scores[number]):
        current += gains[question]
        if current > best:
            best, threshold = current, scores[question]
    return threshold, 100 * best / len(scores)


@pytest.mark.parametrize("number", ["f1", "em"])
def test_the_threshold_is_that_of_the_published_search(number: Any) -> None:
    for seed in range(20):
        predictions, references = drawn(30, seed, empty=True)
        scores = np.random.default_rng(seed).random(30).tolist()
        gains = [
            by_rules([p], [r], "v2")[f"squad_{number}"] / 100 if r else -float(bool(p))
            for p, r in zip(predictions, references, strict=True)
        ]
        found = best_no_answer_threshold(scores, predictions, references, number=number)

        expected = by_published_search(scores, gains, [bool(r) for r in references])
        assert (found.threshold, found.value) == pytest.approx(expected, abs=1e-9)


def test_the_value_of_a_threshold_is_reached_with_it() -> None:
    for seed in range(20):
        predictions, references = drawn(30, seed, empty=True, shortest=1, words=["x", "y", "z"])
        scores = np.random.default_rng(seed).integers(-3, 3, 30)  # with ties and below 0
        found = best_no_answer_threshold(scores.tolist(), predictions, references)

        kept = [
            "" if score > found.threshold else answer
            for score, answer in zip(scores, predictions, strict=True)
        ]
        reached = squad(kept, references, version="v2").values()["squad_f1"]
        assert reached == pytest.approx(found.value, abs=1e-9)


def test_no_answers_at_all_may_be_best() -> None:
    assert best_no_answer_threshold([0.2, 0.5], ["x", "y"], [[], []]).threshold == 0.0
    found = best_no_answer_threshold([-2.0, 0.5], ["x", "y"], [[], []])
    assert found.threshold < -2.0
    assert found.value == 100.0


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        ([None], [["a"]], "prediction 1 is None; a text was expected"),
        (["a"], [[]], "reference 1 has no answer"),
        (["a"], [None], "reference 1 is None"),
        (["a"], [[1]], r"reference 1 is list \[1\]"),
        (["a"], [{"answer_start": [3]}], "reference 1 is dict"),
        (["a", "b"], [["a"]], "2 predictions and 1 references"),
        ([], [], "no predictions"),
    ],
)
def test_rows_that_are_no_answers_are_refused(
    predictions: Any, references: Any, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        squad(predictions, references)


@pytest.mark.parametrize("scores", [[0.1], [0.1, float("nan")]])
def test_scores_that_fit_no_question_are_refused(scores: list[float]) -> None:
    with pytest.raises(DataError, match="2 finite no-answer scores"):
        best_no_answer_threshold(scores, ["a", "b"], [["a"], []])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_real_answers_follow_the_published_rules(language: str, version: Any) -> None:
    right = list(answers_of(f"xquad/xquad.{language}.json"))

    assert_resamples(
        lambda p, r: squad(p, r, version=version), damaged(right, 1), right,
        lambda p, r: by_rules(p, r, version), draws=1,
    )  # fmt: skip


def test_real_questions_without_answers_follow_the_published_rules() -> None:
    right = list(answers_of("squad-v2-shaped/xquad-en-v2.json"))
    said = damaged([texts or ["no answer"] for texts in right], 2)

    assert_resamples(
        lambda p, r: squad(p, r, version="v2"), said, right,
        lambda p, r: by_rules(p, r, "v2"), draws=1,
    )  # fmt: skip
