from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmctl.errors import DataError, UsageError
from llmctl.metrics.labels import label_pairs


def test_numpy_arrays_are_lists_of_labels() -> None:
    assert label_pairs(np.array([1, 0]), np.array([1, 1])) == ([1, 0], [1, 1])


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        ([], [], "no predictions"),
        (["a"], ["a", "b"], "1 predictions and 2 references"),
        (["a", None], ["a", "b"], r"prediction 2 is missing \(None\)"),
        (["a", "b"], ["a", None], r"reference 2 is missing \(None\)"),
        ([0, 1], [0, -1], "reference 2 is -1, which stands for a label that is not known"),
        (["0", "1"], ["-1", "1"], "reference 1 is '-1'"),
        (["a"], [""], "reference 1 is ''"),
        ([1.5], [1], "prediction 1 is float 1.5"),
        ([["a"]], ["a"], r"prediction 1 is list \['a'\]"),
        ([1], ["1"], "prediction 1 is a whole number and reference '1' a text"),
        ([True], [1], "prediction True is true or false and reference 1 a whole number"),
    ],
)
def test_rows_that_are_no_labels_are_refused(
    predictions: list[Any], references: list[Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        label_pairs(predictions, references)


def test_hidden_test_labels_are_refused_with_a_hint_unless_minus_one_is_a_class() -> None:
    with pytest.raises(DataError) as refused:
        label_pairs([1], [-1])
    assert refused.value.hint is not None
    assert "validation" in refused.value.hint
    assert label_pairs([1], [-1], labels=[-1, 0, 1]) == ([1], [-1])


@pytest.mark.parametrize("bad", ["aab", 3, None])
def test_something_that_is_no_list_is_refused(bad: Any) -> None:
    with pytest.raises(UsageError, match="predictions is"):
        label_pairs(bad, ["a", "a", "b"])
