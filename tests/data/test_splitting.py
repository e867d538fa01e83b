"""Splitting by content: stable, and never an empty side."""

from __future__ import annotations

import pytest

from llmctl.data.documents import Document
from llmctl.data.splitting import content_position, split_documents, text_validates


def documents(*texts: str) -> list[Document]:
    return [Document(str(number), text, "made") for number, text in enumerate(texts)]


def sides(texts: list[str], fraction: float) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"train": set(), "validation": set()}
    ids = []
    for side, document in split_documents(documents(*texts), fraction):
        found[side].add(document.text)
        ids.append(document.id)
    assert sorted(ids, key=int) == [str(number) for number in range(len(texts))]  # none is lost
    assert not found["train"] & found["validation"]
    return found


def test_the_position_of_a_text_never_changes() -> None:
    # xxh3_64 with seed 0, the published test value of the empty input
    assert content_position("") == 0x2D06800538D394C2


def test_the_share_is_about_the_one_asked_for() -> None:
    found = sides([f"text {number}" for number in range(2000)], 0.05)
    assert 70 <= len(found["validation"]) <= 130


def test_the_side_depends_on_the_text_alone() -> None:
    texts = [f"text {number}" for number in range(300)]
    found = sides(texts, 0.1)
    assert sides(texts[::-1], 0.1) == found
    assert sides([*texts, *texts], 0.1) == found
    assert found["validation"] == {t for t in texts if text_validates(t, 0.1)}


def test_a_corpus_that_grows_keeps_its_split() -> None:
    texts = [f"text {number}" for number in range(300)]
    assert sides(texts[:200], 0.1)["validation"] <= sides(texts, 0.1)["validation"]


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_of_few_texts_the_lowest_position_validates(count: int) -> None:
    texts = [f"text {number}" for number in range(count)]
    lowest = min(texts, key=content_position)
    assert sides(texts, 1e-9)["validation"] == {lowest}
    assert sides([*texts, *texts], 1e-9)["validation"] == {lowest}


def test_if_all_would_validate_the_highest_position_trains() -> None:
    texts = [f"text {number}" for number in range(5)]
    assert sides(texts, 1 - 1e-9)["train"] == {max(texts, key=content_position)}


@pytest.mark.parametrize("fraction", [0.05, 0.95])
def test_one_text_is_not_split_and_trains(fraction: float) -> None:
    assert sides(["one", "one", "one"], fraction) == {"train": {"one"}, "validation": set()}


def test_a_share_of_nothing_keeps_all_for_training() -> None:
    assert sides(["one", "two", "three"], 0.0)["validation"] == set()
