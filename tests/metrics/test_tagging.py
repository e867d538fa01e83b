from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pytest
from resampling import Numbers, assert_equal, assert_resamples
from shared_data import shared

from llmctl.errors import DataError
from llmctl.metrics.tagging import per_type, seqeval, tags

Sentences = list[list[str]]


def reference(predictions: Any, references: Any, scheme: str = "") -> Numbers:
    """seqeval itself, on the same sentences; strict where a scheme is named."""
    from seqeval import metrics
    from seqeval import scheme as schemes
    from seqeval.metrics import sequence_labeling, v1

    found: Numbers = {"seqeval_accuracy": metrics.accuracy_score(references, predictions)}
    measure = (
        partial(v1.precision_recall_fscore_support, scheme=getattr(schemes, scheme.upper()))
        if scheme
        else sequence_labeling.precision_recall_fscore_support
    )
    for average, ending in (("micro", ""), ("macro", "_macro"), ("weighted", "_weighted")):
        scores = measure(references, predictions, average=average, zero_division=0)
        found[f"seqeval_f1{ending}"] = float(scores[2])
        if average == "micro":
            found["seqeval_precision"], found["seqeval_recall"] = map(float, scores[:2])
    return found


def drawn(letters: str, sentences: int, seed: int) -> tuple[Sentences, Sentences]:
    """Tags at random: most sequences break every scheme, sides agree on four of five."""
    generator = np.random.default_rng(seed)
    kinds = ("-PER", "-LOC-X", "", "-")
    known = ["O", "O", *(f"{letter}{kind}" for letter in letters for kind in kinds)]
    true = [
        [known[c] for c in generator.integers(0, len(known), generator.integers(1, 12))]
        for _ in range(sentences)
    ]
    said = [
        [tag if generator.random() < 0.8 else str(generator.choice(known)) for tag in sentence]
        for sentence in true
    ]
    return said, true


@pytest.mark.parametrize("letters", ["BI", "BIES", "IE"])
def test_default_numbers_are_those_of_seqeval_whatever_the_tags(letters: str) -> None:
    assert_resamples(seqeval, *drawn(letters, 80, 1), reference)


@pytest.mark.parametrize(
    ("scheme", "letters"),
    [("iob2", "BI"), ("iobes", "BIES"), ("bilou", "BILU"), ("iob1", "BI"), ("ioe2", "IE")],
)
def test_strict_numbers_are_those_of_seqeval_whatever_the_tags(scheme: Any, letters: str) -> None:
    assert_resamples(
        lambda p, r: seqeval(p, r, mode="strict", scheme=scheme), *drawn(letters, 80, 2),
        lambda p, r: reference(p, r, scheme=scheme),
    )  # fmt: skip


def test_the_modes_differ_on_tags_that_break_the_scheme() -> None:
    # conlleval begins an entity at I-LOC; by IOB2 it is none. True: 2 entities; found: 2 or 1.
    said, true = [["B-PER", "O", "I-LOC"]], [["B-PER", "O", "B-LOC"]]

    assert_equal(seqeval(said, true).values(), {"seqeval_f1": 1.0, "seqeval_accuracy": 2 / 3})
    assert_equal(
        seqeval(said, true, mode="strict").values(),
        {"seqeval_f1": 2 / 3, "seqeval_precision": 1.0, "seqeval_recall": 0.5},
    )


def test_iob1_is_read_in_default_mode() -> None:
    # I-PER I-PER is one entity, B-PER begins the next of the same type.
    found = per_type([["I-PER", "I-PER", "B-PER"]], [["B-PER", "I-PER", "B-PER"]])

    assert [(one.label, one.f1, one.support) for one in found] == [("PER", 1.0, 2)]


def test_an_entity_ends_with_its_sentence() -> None:
    found = per_type([["B-PER"], ["I-PER"]], [["B-PER"], ["B-PER"]])

    assert [(one.support, one.f1) for one in found] == [(2, 1.0)]


def test_each_type_by_itself_is_that_of_seqeval() -> None:
    from seqeval.metrics import classification_report

    said, true = drawn("BI", 60, 3)
    report = classification_report(true, said, output_dict=True, zero_division=0)

    for one in per_type(said, true):
        row = report[one.label]
        assert [one.precision, one.recall, one.f1, one.support] == pytest.approx(
            [row["precision"], row["recall"], row["f1-score"], row["support"]], abs=1e-12
        )


def test_text_without_entities_has_no_macro_average() -> None:
    measured = seqeval([["O"]], [["O"]])

    assert measured.values()["seqeval_f1"] == 0.0  # as in seqeval
    assert measured.values()["seqeval_accuracy"] == 1.0
    assert measured.values()["seqeval_f1_macro"] is None
    assert "no entity" in measured.null_reasons["seqeval_f1_macro"]


def test_single_tags_are_those_of_scikit_learn_on_joined_sentences() -> None:
    def by_scikit_learn(predictions: Any, references: Any) -> Numbers:
        from sklearn import metrics

        said, true = list(chain(*predictions)), list(chain(*references))
        return {
            "tag_accuracy": metrics.accuracy_score(true, said),
            "tag_f1_macro": metrics.f1_score(true, said, average="macro", zero_division=0),
            "tag_f1_weighted": metrics.f1_score(true, said, average="weighted", zero_division=0),
        }

    assert_resamples(tags, *drawn("BI", 40, 4), by_scikit_learn)


@pytest.mark.parametrize(
    ("said", "true", "words"),
    [
        ([["O"], ["O"]], [["O"], ["O", "O"]], "row 2 has 1 predicted tags and 2 reference tags"),
        (["O"], [["O"]], "prediction 1 is the text 'O'; a list with a tag for each word"),
        ([["O"]], [[None]], "reference 1 is list"),
        ([["NOUN"]], [["O"]], "prediction 1, word 1: tag 'NOUN' is none of O, B-TYPE, I-TYPE"),
        ([["O"]], [["O-PER"]], "reference 1, word 1: tag 'O-PER'"),
        ([["O"]], [["O", ""]], "row 1 has"),
        ([[""]], [["O"]], "prediction 1, word 1: tag ''"),
        ([["U-PER"]], [["O"]], "tag 'U-PER'"),
    ],
)
def test_rows_that_are_no_tags_are_refused(said: Any, true: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        seqeval(said, true)


def test_a_scheme_refuses_the_tags_of_another() -> None:
    with pytest.raises(DataError, match="prediction 1, word 1: tag 'S-PER'"):
        seqeval([["S-PER"]], [["O"]], mode="strict", scheme="iob2")
    with pytest.raises(DataError) as refused:
        seqeval([["U-PER"]], [["O"]])
    assert refused.value.hint == "BILOU tags are read with mode=strict scheme=bilou"


@pytest.mark.parametrize("scheme", ["", "iob2"])
def test_real_tags_give_the_numbers_of_seqeval(scheme: Any) -> None:
    text = shared("wnut17-ner/emerging.dev.conll").read_text(encoding="utf-8")
    true = [
        [line.split("\t")[1] for line in block.splitlines()] for block in text.strip().split("\n\n")
    ]
    generator = np.random.default_rng(1)
    known = sorted(set(chain(*true)))
    said = [
        [tag if generator.random() < 0.95 else str(generator.choice(known)) for tag in sentence]
        for sentence in true
    ]

    assert_resamples(
        lambda p, r: seqeval(p, r, mode="strict", scheme=scheme) if scheme else seqeval(p, r),
        said, true, lambda p, r: reference(p, r, scheme), draws=1,
    )  # fmt: skip
