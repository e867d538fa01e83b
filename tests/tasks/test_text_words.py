"""Words of texts, texts of words, and marked places as tags."""

from __future__ import annotations

from typing import Any

import pytest

from llmctl.tasks.base import RowRefused
from llmctl.tasks.text_words import Span, joined, spans_in, tags_of_spans, word_offsets

KEYS = ("start", "end", "label")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Don't go!", ["Don", "'", "t", "go", "!"], id="English"),
        pytest.param("我在GPU2上", ["我", "在", "GPU2", "上"], id="Chinese with letters"),
        pytest.param("すしA", ["す", "し", "A"], id="kana"),
        pytest.param("हिन्दी भाषा", ["हिन्दी", "भाषा"], id="marks stay with their letters"),
        pytest.param("a\u3000b\u00a0c", ["a", "b", "c"], id="other blanks"),
        pytest.param("北京。", ["北", "京", "。"], id="full-width punctuation"),
        pytest.param(" \n", [], id="nothing"),
    ],
)
def test_words_and_their_places(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in word_offsets(text)] == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["New", "York", "."], "New York ."),
        (["北京", "大学", "，", "好"], "北京大学，好"),
        (["用", "GPU", "2", "块"], "用 GPU 2 块"),
        ([], ""),
    ],
)
def test_words_are_joined_as_they_are_written(words: list[str], text: str) -> None:
    found, offsets = joined(words)
    assert found == text
    assert [found[start:end] for start, end in offsets] == words


def tags(text: str, *spans: Span) -> list[str]:
    return tags_of_spans(word_offsets(text), spans)[0]


def test_marked_places_become_tags() -> None:
    text = "John Smith lives in Oslo."
    found = tags(text, Span(20, 24, "LOC"), Span(0, 10, "PER"))
    assert found == ["B-PER", "I-PER", "O", "O", "B-LOC", "O"]


def test_chinese_places_become_tags_of_characters() -> None:
    assert tags("我在北京大学", Span(2, 6, "ORG")) == ["O", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG"]


def test_neighbours_of_a_type_stay_two() -> None:
    assert tags("Oslo Berlin", Span(0, 4, "LOC"), Span(5, 11, "LOC")) == ["B-LOC", "B-LOC"]


def test_a_place_within_a_word_takes_the_word_and_is_named() -> None:
    found, uneven, overlapping = tags_of_spans(word_offsets("Norwegians"), [Span(0, 6, "LOC")])
    assert found == ["B-LOC"]
    assert uneven == ["LOC from 0 to 6 does not begin and end with a word"]
    assert overlapping == []


def test_of_places_that_overlap_the_longest_stays() -> None:
    text = "Bank of China"
    found, _, overlapping = tags_of_spans(
        word_offsets(text), [Span(8, 13, "LOC"), Span(0, 13, "ORG")]
    )
    assert found == ["B-ORG", "I-ORG", "I-ORG"]
    assert overlapping == ["LOC from 8 to 13 shares words with a longer span"]


def test_white_space_at_the_borders_is_no_part_of_a_place() -> None:
    value = [{"start": 2, "end": 8, "label": " LOC"}]
    assert spans_in(value, "spans", KEYS, "in Oslo now") == [Span(3, 7, "LOC")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Oslo", "column 'spans' holds text; expected a list of spans"),
        ([[0, 4, "LOC"]], "span 1 of column 'spans' is no object with start, end, label"),
        ([{"start": 0, "end": 4}], "is no object with start, end, label"),
        ([{"start": 0, "end": 4.0, "label": "LOC"}], "start and end must be whole numbers"),
        ([{"start": 0, "end": 4, "label": None}], "label holds nothing; expected text"),
        ([{"start": 0, "end": 5, "label": "LOC"}], "is from 0 to 5, which is no place in 4 char"),
        ([{"start": -1, "end": 4, "label": "LOC"}], "is from -1 to 4"),
        ([{"start": 3, "end": 3, "label": "LOC"}], "is from 3 to 3"),
    ],
)
def test_other_values_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(RowRefused, match=reason):
        spans_in(value, "spans", KEYS, "Oslo")
