from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples

from llmctl.errors import DataError, UsageError
from llmctl.metrics.ranking import auc


def binary(predictions: list[Any], references: list[Any]) -> Numbers:
    from sklearn import metrics

    return {
        "roc_auc": float(metrics.roc_auc_score(references, predictions)),
        "average_precision": float(metrics.average_precision_score(references, predictions)),
    }


def one_versus_rest(predictions: list[Any], references: list[Any]) -> Numbers:
    from sklearn import metrics

    scores = np.array([[row[name] for name in sorted(row)] for row in predictions])
    return {
        "roc_auc": float(metrics.roc_auc_score(references, scores, multi_class="ovr")),
        "average_precision": float(metrics.average_precision_score(references, scores)),
    }


def test_two_classes_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    references = generator.integers(0, 2, 200)
    predictions = references + generator.normal(size=200)

    assert_resamples(auc, predictions.tolist(), references.tolist(), binary)


def test_equal_scores_count_half_as_in_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    references = generator.integers(0, 2, 80)
    predictions = (references + generator.integers(0, 4, 80)) / 4

    assert_resamples(auc, predictions.tolist(), references.tolist(), binary)


def test_many_classes_stand_each_against_the_rest_as_in_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    names = ["joy", "love", "war"]
    references = generator.integers(0, 3, 150)
    logits = generator.normal(size=(150, 3)).round(1) + np.eye(3)[references]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = [dict(zip(names, row, strict=True)) for row in chances.tolist()]

    assert_resamples(auc, rows, [names[c] for c in references], one_versus_rest)


def test_the_positive_class_can_be_named() -> None:
    rows = [{"ham": 0.9, "spam": 0.1}, {"ham": 0.2, "spam": 0.8}, {"ham": 0.7, "spam": 0.3}]
    references = ["spam", "spam", "ham"]

    assert_equal(auc(rows, references).values(), binary([0.1, 0.8, 0.3], [1, 1, 0]))
    assert_equal(auc(rows, references, positive="ham").values(), binary([0.9, 0.2, 0.7], [0, 0, 1]))


def test_lists_of_values_follow_the_named_labels() -> None:
    rows, references = [[0.2, 0.8], [0.7, 0.3]], ["yes", "no"]

    assert auc(rows, references, labels=["no", "yes"]).values()["roc_auc"] == 1.0
    assert auc(rows, references, labels=["yes", "no"]).values()["roc_auc"] == 0.0
    with pytest.raises(UsageError, match="nothing says which label"):
        auc(rows, references)


def test_labels_are_compared_as_json_writes_keys() -> None:
    rows = [{"1": 0.9, "0": 0.1}, {"1": 0.2, "0": 0.8}]

    assert auc(rows, [1, 0]).values()["roc_auc"] == 1.0
    rows = [{"true": 0.9, "false": 0.1}, {"true": 0.2, "false": 0.8}]
    assert auc(rows, [True, False]).values()["roc_auc"] == 1.0


@pytest.mark.parametrize("references", [[1, 1], [0, 0]])
def test_one_class_alone_has_no_area(references: list[int]) -> None:
    measured = auc([0.3, 0.6], references)

    assert measured.values() == {"roc_auc": None, "average_precision": None}
    assert f"no reference is {1 - references[0]}" in measured.null_reasons["roc_auc"]


def test_a_class_without_examples_leaves_no_mean() -> None:
    rows = [{"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.1, "b": 0.8, "c": 0.1}]

    measured = auc(rows, ["a", "b"])
    assert measured.values()["roc_auc"] is None
    assert measured.null_reasons["roc_auc"] == "no reference is c"


@pytest.mark.parametrize(
    ("predictions", "references", "words"),
    [
        (
            [{"a": 1.0}, {"a": 0.5, "b": 0.5}],
            ["a", "a"],
            "prediction 2 has a value for the unknown",
        ),
        ([{"a": 0.5, "b": 0.5}, {"a": 1.0}], ["a", "a"], "prediction 2 has no value for 'b'"),
        ([{"a": 0.5, "b": 0.5}], ["c"], "reference 1 is 'c', which is not one of the classes"),
        ([{"a": 0.5, "b": None}], ["a"], "prediction 1 holds None"),
        ([{"a": 0.5, "b": float("nan")}], ["a"], "finite numbers"),
        ([0.5, "0.5"], [0, 1], "prediction 2 holds the text '0.5'"),
        ([0.5, 0.2, 0.1], ["a", "b", "c"], "enough for two classes only"),
        ([0.5], [-1], "not known"),
    ],
)
def test_rows_of_another_form_are_refused(
    predictions: list[Any], references: list[Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        auc(predictions, references)


def test_a_list_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="prediction 1 has 3 values; 2 were expected"):
        auc([[0.1, 0.2, 0.7]], ["a"], labels=["a", "b"])


def test_settings_that_fit_no_row_are_refused() -> None:
    with pytest.raises(UsageError, match="the positive label is 'spma'") as refused:
        auc([{"spam": 0.1, "ham": 0.9}], ["ham"], positive="spma")
    assert refused.value.hint == "did you mean 'spam'?"
    with pytest.raises(UsageError, match="every reference is 'ham'"):
        auc([0.1, 0.9], ["ham", "ham"])
