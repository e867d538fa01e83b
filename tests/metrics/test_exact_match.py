"""Exact match: what is compared, and what counts as the same."""

from __future__ import annotations

from typing import Any

import pytest

from llmctl.errors import UsageError
from llmctl.metrics.exact_match import exact_match


def is_match(prediction: str, reference: str, **settings: Any) -> bool:
    return exact_match([prediction], [reference], **settings).values()["exact_match"] == 1.0


def test_any_of_the_references_will_do() -> None:
    measured = exact_match(["yes", "no", "maybe"], [["Yes", "yes"], ["yes"], "maybe"])

    assert measured.values() == {"exact_match": pytest.approx(2 / 3)}
    assert measured.statistics.tolist() == [[1, 1], [0, 1], [1, 1]]


@pytest.mark.parametrize(
    ("prediction", "reference", "settings", "same"),
    [
        (" yes\n", "yes", {}, True),
        ("Yes", "yes", {}, False),
        ("Yes", "yes", {"ignore_case": True}, True),
        ("STRASSE", "straße", {"ignore_case": True}, True),
        ("北京大学。", "北京大学", {}, False),
        ("北京大学。", "北京大学", {"ignore_punctuation": True}, True),
        ("Hello , world!", "Hello, world", {"ignore_punctuation": True}, True),
        ("$5 + 3", "5 3", {"ignore_punctuation": True}, True),
        ("5 €", "5", {"ignore_punctuation": True}, False),
        ("1,234.0", "1234", {}, False),
        ("1,234.0", "1234", {"as_number": True}, True),
        ("-0.50", "-.5", {"as_number": True}, True),
        ("0", "-0.0", {"as_number": True}, True),
        ("1e3", "1000", {"as_number": True}, False),
        ("four", "four", {"as_number": True}, True),
        ("", "", {}, True),
    ],
)
def test_what_counts_as_the_same(
    prediction: str, reference: str, settings: dict[str, Any], same: bool
) -> None:
    assert is_match(prediction, reference, **settings) is same


@pytest.mark.parametrize(
    ("prediction", "same"),
    [
        ("48 / 2 = 24. 48 + 24 = 72\n#### 72", True),
        ("#### 72.00", True),
        ("####72", True),
        ("#### $72", True),
        ("#### 71 no, #### 72", True),
        ("#### 72 no, #### 71", False),
        ("#### -72", False),
        ("the answer is 72", False),
        ("", False),
    ],
)
def test_the_answer_of_gsm8k_is_the_number_after_its_marks(prediction: str, same: bool) -> None:
    assert is_match(prediction, "she has 72\n#### 72", extract="gsm8k") is same
    assert is_match(prediction, "72", extract="gsm8k") is same


@pytest.mark.parametrize(
    ("prediction", "number"),
    [
        ("so it is 1,234.0 dollars.", "1234"),
        ("from 10-20", "20"),
        ("it fell to -3.", "-3"),
        ("about .5", "0.5"),
        ("first 1, then 2", "2"),
        ("$18.", "18"),
    ],
)
def test_the_last_number_of_a_text(prediction: str, number: str) -> None:
    assert is_match(prediction, number, extract="number")


def test_a_users_own_expression_by_group_first_or_last() -> None:
    rule = r"[Aa]nswer: (\w+)|答案是(\w+)"

    assert is_match("Answer: B. But answer: C", "C", extract=rule)
    assert is_match("Answer: B. But answer: C", "B", extract=rule, take="first")
    assert is_match("答案是丙", "丙", extract=rule)
    assert is_match("Answer: B", "answer: B", extract=rule)
    assert is_match("a1 b2", "b2", extract=r"[a-z]\d")


def test_a_prediction_without_an_answer_is_wrong_and_counted() -> None:
    measured = exact_match(["#### 1", "one", ""], ["#### 1", "one", ""], extract="gsm8k")

    assert measured.statistics[:, 0].tolist() == [1, 0, 0]
    assert measured.notes == ("2 of 3 predictions hold nothing that `extract` finds",)


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'\(' is no regular expression") as caught:
        exact_match(["a"], ["a"], extract="(")

    assert caught.value.hint == "named rules are gsm8k, number"


def test_the_signature_tells_the_settings_apart() -> None:
    plain = exact_match(["a"], ["a"]).signature
    changed: list[dict[str, Any]] = [
        {"ignore_case": True}, {"ignore_punctuation": True}, {"extract": "number"},
        {"extract": "number", "take": "first"}, {"extract": "number", "as_number": False},
    ]  # fmt: skip
    others = [exact_match(["a"], ["a"], **settings).signature for settings in changed]

    assert len({str(signature) for signature in [plain, *others]}) == 6
