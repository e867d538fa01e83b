"""Distinct-n and repetition, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from llmctl.errors import DataError
from llmctl.metrics.bootstrap import interval
from llmctl.metrics.distinct import distinct
from llmctl.metrics.repetition import repetition


def test_distinct_counts_different_ngrams_of_all_texts_over_all_tokens() -> None:
    """Tokens: I am fine . I am not . — 8, of which 5 differ; pairs within a text: 5 differ;
    threes: `I am fine`, `am fine .`, `I am not`, `am not .`"""
    measured = distinct(["I am fine.", "I am not."])

    assert measured.values() == {"distinct_1": 5 / 8, "distinct_2": 5 / 8, "distinct_3": 4 / 8}
    assert measured.statistics.tolist() == [[0, 4], [1, 4]]


def test_distinct_of_chosen_texts_is_that_of_these_alone() -> None:
    said = ["a b", "b c d", "d d d d"]

    assert distinct(said).of(np.array([0, 2])).tolist() == [
        *distinct(["a b", "d d d d"]).values().values()
    ]


def test_distinct_has_no_interval_for_resamples_repeat_themselves() -> None:
    measured = distinct([f"text {number}" for number in range(20)])

    assert measured.not_resampled
    assert interval(measured) == {"distinct_1": None, "distinct_2": None, "distinct_3": None}


def test_distinct_of_no_token_does_not_exist() -> None:
    measured = distinct(["", " "])

    assert set(measured.values().values()) == {None}
    assert measured.null_reasons["distinct_2"] == "no prediction has a token"


def test_repetition_is_the_share_of_ngrams_said_before() -> None:
    """`a b c d a b c d`: five fours, the last one for the second time. `哈` ten times: 7 fours, 6
    again."""
    measured = repetition(["a b c d a b c d", "哈" * 10, "all of it differs here"])

    assert measured.statistics[:, 0].tolist() == pytest.approx([1 / 5, 6 / 7, 0])
    assert measured.values()["repetition"] == pytest.approx((1 / 5 + 6 / 7) / 3)


def test_texts_too_short_to_repeat_are_left_out_and_counted() -> None:
    measured = repetition(["a b c", "a a a a a", ""])

    assert measured.values() == {"repetition": 0.5}
    assert measured.notes == ("2 of 3 predictions have fewer than 4 tokens: left out",)


def test_repetition_of_short_texts_alone_does_not_exist() -> None:
    measured = repetition(["a b c"])

    assert measured.values() == {"repetition": None}
    assert measured.null_reasons == {"repetition": "no prediction has 4 tokens"}
    assert repetition(["a b a"], size=1).values() == {"repetition": pytest.approx(1 / 3)}


def test_nothing_to_look_at_is_refused() -> None:
    for metric in (distinct, repetition):
        with pytest.raises(DataError, match="no predictions"):
            metric([])
