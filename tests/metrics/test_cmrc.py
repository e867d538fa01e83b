from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples
from shared_data import answers_of, damaged

from llmctl.errors import DataError
from llmctl.metrics.cmrc import cmrc, longest_common_run, segments

LISTED = [*"-:_*^/\\~`+=", *"，。：？！“”；’《》", "……", *"·、「」（）－～『』"]
"""The list of the published script; "……" is two characters and so matches no single one."""


def by_rules(predictions: list[str], references: list[list[str]]) -> Numbers:
    """The rules of CMRC 2018 step by step, words by NLTK."""
    exact, f1 = [], []
    for answer, right in zip(predictions, references, strict=True):
        exact.append(any(bare(answer) == bare(text) for text in right))
        scores = []
        for text in right:
            said, known = cut(answer), cut(text)
            shared = common_run(said, known)
            scores.append(2 * shared / (len(said) + len(known)) if shared else 0.0)
        f1.append(max(scores))
    return {"cmrc_f1": 100 * np.mean(f1), "cmrc_em": 100 * np.mean(exact)}


def bare(text: str) -> str:
    return "".join(letter for letter in text.lower().strip() if letter not in LISTED)


def cut(text: str) -> list[str]:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    words = NLTKWordTokenizer()
    found, other = [], ""
    for letter in bare(text):
        if re.match("[\u4e00-\u9fa5]", letter):
            found += [*words.tokenize(other), letter]
            other = ""
        else:
            other += letter
    return [*found, *words.tokenize(other)]


def common_run(left: list[str], right: list[str]) -> int:
    """The table of runs that end at each pair of places."""
    ending = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for one, item in enumerate(left):
        for other, item_there in enumerate(right):
            if item == item_there:
                ending[one + 1][other + 1] = ending[one][other] + 1
    return max(map(max, ending))


WORDS = [
    "北京",
    "大学",
    "GPT-2",
    "在1998年",
    "，",
    "。",
    "18.5%",
    "U.S.",
    "don't",
    "(IBM)",
    "a, b.",
]


def drawn(rows: int, seed: int) -> tuple[list[str], list[list[str]]]:
    generator = np.random.default_rng(seed)

    def text() -> str:
        return generator.choice(["", " "]).join(generator.choice(WORDS, generator.integers(1, 5)))

    return [text() for _ in range(rows)], [
        [text() for _ in range(generator.integers(1, 4))] for _ in range(rows)
    ]


def test_every_number_follows_the_published_rules() -> None:
    assert_resamples(cmrc, *drawn(150, 1), by_rules)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("《GPT-2》的 困惑度是18.5%。", ["gpt2", "的", "困", "惑", "度", "是", "18.5", "%"]),
        (
            "I don't know, in 1,000 years.",
            ["i", "do", "n't", "know", ",", "in", "1,000", "years", "."],
        ),
        (
            "It's the U.S. army's (IBM) job...",
            ["it", "'s", "the", "u.s.", "army", "'s", "(", "ibm", ")", "job", "..."],
        ),
        ("共3,000人；约50.5%！", ["共", "3,000", "人", "约", "50.5", "%"]),
        ("Ａ㐀𠀀", ["ａ㐀𠀀"]),  # neither full-width letters nor rare characters are cut
        ("", []),
    ],
)
def test_text_is_cut_as_nltk_cuts_it_between_chinese_characters(
    text: str, expected: list[str]
) -> None:
    assert segments(text) == expected
    assert cut(text) == expected


def test_f1_is_of_the_longest_run_not_of_all_that_is_shared() -> None:
    # 北大 and 京 are shared by "北大东京" and "北京大学东京": the longest run is 东京, 2 of 4 and
    # 2 of 6.
    found = cmrc(["北大东京"], ["北京大学东京"]).values()

    assert_equal(found, {"cmrc_f1": 100 * 2 * 2 / (4 + 6), "cmrc_em": 0.0})


def test_punctuation_of_the_list_does_not_matter_and_other_marks_do() -> None:
    assert cmrc(["《北京大学》。"], ["北京大学"]).values() == {"cmrc_f1": 100.0, "cmrc_em": 100.0}
    assert cmrc(["北京大学."], ["北京大学"]).values()["cmrc_em"] == 0.0
    assert cmrc(["北京大学……"], ["北京大学"]).values()["cmrc_em"] == 0.0


def test_an_answer_of_punctuation_alone_shares_nothing() -> None:
    assert cmrc(["。"], ["，"]).values() == {"cmrc_f1": 0.0, "cmrc_em": 100.0}


def test_longest_run_is_that_of_trying_all() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        left, right = ("".join(generator.choice([*"abc"], generator.integers(0, 9))) for _ in "12")
        runs = {left[i:j] for i in range(len(left)) for j in range(i + 1, len(left) + 1)}
        assert longest_common_run(left, right) == max(map(len, {"", *filter(right.count, runs)}))


def test_a_question_without_answer_is_refused() -> None:
    with pytest.raises(DataError, match="reference 2 has no answer"):
        cmrc(["a", ""], [["a"], []])


def test_an_answer_that_is_no_text_is_refused() -> None:
    wrong: Any = [3]
    with pytest.raises(DataError, match="prediction 1 is int 3"):
        cmrc(wrong, [["3"]])


@pytest.mark.parametrize("name", ["cmrc2018/dev.json", "xquad/xquad.zh.json"])
def test_real_answers_follow_the_published_rules(name: str) -> None:
    right = list(answers_of(name))

    assert_resamples(cmrc, damaged(right, 1), right, by_rules, draws=0)
