"""The columns kept as integers give rouge_score's own subsequences, place for place."""

from __future__ import annotations

import random

import pytest
from rouge_score import rouge_scorer

from llmctl.metrics.subsequences import Reference


@pytest.mark.parametrize("letters", ["ab", "abcd", "abcdefghij"])
def test_length_and_places_are_those_of_the_table(letters: str) -> None:
    draws = random.Random(len(letters))
    for _ in range(300):
        one = draws.choices(letters, k=draws.randrange(90))
        other = draws.choices(letters, k=draws.randrange(90))

        places = Reference(one).common_places(other)

        assert places[::-1] == rouge_scorer.lcs_ind(one, other)
        assert Reference(one).common_length(other) == len(places)
