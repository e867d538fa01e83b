"""What text metrics are given: shapes that cannot be meant are refused, with what and where."""

from __future__ import annotations

from typing import Any

import pytest

from llmctl.errors import DataError, LlmctlError, UsageError
from llmctl.metrics.inputs import reference_counts, text_pairs, texts


def test_a_reference_is_a_string_or_a_list_of_any_length() -> None:
    assert text_pairs(["a", "b", ""], ["x", ["y", "z"], [""]]) == [
        ("a", ["x"]),
        ("b", ["y", "z"]),
        ("", [""]),
    ]


def test_a_missing_further_reference_is_left_out() -> None:
    assert text_pairs(["a"], [["x", None]]) == [("a", ["x"])]


@pytest.mark.parametrize(
    ("predictions", "references", "error", "said"),
    [
        (["a", "b"], ["x"], DataError, "2 predictions and references for 1"),
        ([], [], DataError, "no predictions"),
        ("abc", ["x", "y", "z"], UsageError, "predictions is the string 'abc'"),
        (["a"], "x", UsageError, "references is the string 'x'"),
        (["a", None], ["x", "y"], DataError, "prediction 2 is None"),
        (["a", 3], ["x", "y"], DataError, "prediction 2 is int 3"),
        (["a", "b"], ["x", 3.5], DataError, "reference of prediction 2 is float 3.5"),
        (["a", "b"], ["x", ["y", 3]], DataError, "reference of prediction 2 is int 3"),
        (["a", "b"], ["x", []], DataError, "prediction 2 has no reference"),
        (["a", "b"], ["x", [None]], DataError, "prediction 2 has no reference"),
        (["a", "b"], ["x", None], DataError, "reference of prediction 2 is None"),
    ],
)
def test_a_wrong_shape_is_refused(
    predictions: Any, references: Any, error: type[LlmctlError], said: str
) -> None:
    with pytest.raises(error, match=said):
        text_pairs(predictions, references)


def test_references_by_stream_are_refused_with_the_way_to_turn_them() -> None:
    """sacreBLEU's own layout, in which its corpus score would drop examples without a word."""
    streams = [["x", "y", "z"], ["x2", "y2", "z2"]]

    with pytest.raises(UsageError, match="2 lists of 3, for 3 predictions") as caught:
        text_pairs(["a", "b", "c"], streams)

    assert caught.value.hint == "references = list(zip(*references))"
    turned = list(zip(*streams, strict=True))
    assert text_pairs(["a", "b", "c"], turned)[2] == ("c", ["z", "z2"])


def test_texts_alone_are_checked_too() -> None:
    assert texts(["a", ""]) == ["a", ""]
    with pytest.raises(DataError, match="prediction 1 is None"):
        texts([None])


def test_numbers_of_references_are_told_apart() -> None:
    assert reference_counts([("a", ["x", "y"]), ("b", ["z", "w"])]) == 2
    assert reference_counts([("a", ["x", "y"]), ("b", ["z"])]) == "var"
