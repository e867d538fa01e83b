"""A tag for every word: rows of every shape, targets, windows, predictions, and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from task_models import (
    batch_of,
    byte_pairs,
    examples_of,
    loss_of,
    predict,
    tiny_bert,
    unigrams,
    word_pieces,
)

from llmctl.errors import DataError, UsageError
from llmctl.tasks.base import Feature, RowRefused
from llmctl.tasks.token_classification import TokenClassification

ENGLISH = {
    "tokens": ["John", "Smith", "lives", "in", "Berlin", "."],
    "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
}
CHINESE = {
    "tokens": ["我们", "在", "北京", "大学", "学习", "。"],
    "tags": ["O", "O", "B-ORG", "I-ORG", "O", "O"],
}
LABELS = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
TOKENIZERS = [word_pieces, byte_pairs, unigrams]


def task_for(rows: list[Any], **settings: Any) -> TokenClassification:
    task = TokenClassification(**{"max_length": 32, **settings})
    return task.settle(examples_of(task, rows))


def tagger(tokenizer: Any) -> Any:
    model = tiny_bert(tokenizer, "TokenClassification", num_labels=len(LABELS))
    return lambda **arrays: model(**arrays).logits


def by_token(**arrays: torch.Tensor) -> torch.Tensor:
    """A model whose answer depends on nothing but the token."""
    return torch.nn.functional.one_hot(arrays["input_ids"] % len(LABELS), len(LABELS)).float()


# Rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "row"),
    [
        pytest.param({}, {"tokens": ["In", "Oslo"], "tags": ["O", "B-LOC"]}, id="lists"),
        pytest.param(
            {"labels": ["O", "B-LOC"]}, {"tokens": ["In", "Oslo"], "tags": [0, 1]}, id="numbers"
        ),
        pytest.param(
            {"tokens": "words", "tags": "ner"},
            {"words": ["In", "Oslo"], "ner": ["O", "B-LOC"]},
            id="other names",
        ),
        pytest.param({}, {"columns": [["In", "Oslo"], ["IN", "NN"], ["O", "B-LOC"]]}, id="CoNLL"),
        pytest.param(
            {"token_column": 2, "tag_column": 3},
            {"columns": [["1", "2"], ["In", "Oslo"], ["O", "B-LOC"], ["-", "-"]]},
            id="columns in the middle",
        ),
        pytest.param(
            {}, {"text": "In Oslo", "spans": [{"start": 3, "end": 7, "label": "LOC"}]}, id="spans"
        ),
        pytest.param(
            {"text": "full", "spans": "marks", "span_keys": ["from", "to", "type"]},
            {"full": "In Oslo", "marks": [{"from": 3, "to": 7, "type": "LOC"}]},
            id="spans of other names",
        ),
    ],
)
def test_shapes_of_rows(settings: dict[str, Any], row: dict[str, Any]) -> None:
    content = TokenClassification(**settings).example(row)
    assert content.words == ("In", "Oslo")
    assert content.tags == ("O", "B-LOC")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"words": ["a"]}, "column 'tokens' is missing"),
        ({"tokens": ["a"]}, "column 'tags' is missing"),
        ({"tokens": [], "tags": []}, "column 'tokens' is empty"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 words in 'tokens' and 1 tags in 'tags'"),
        ({"tokens": "a b", "tags": ["O"]}, "column 'tokens' holds text; expected a list"),
        ({"tokens": ["a", None], "tags": ["O", "O"]}, "item 2 of column 'tokens' is nothing"),
        ({"tokens": ["a", ""], "tags": ["O", "O"]}, "item 2 of column 'tokens' is an empty text"),
        ({"tokens": ["a"], "tags": [0]}, "holds numbers; task.labels must say what they mean"),
        ({"columns": [["a"]]}, "column 1 alone is there; expected words and tags"),
        ({"columns": [["a", ""], ["O", "O"]], "lines": [4, 5]}, "column 1 in line 5 is empty"),
        ({"text": "Oslo"}, "column 'spans' is missing"),
    ],
)
def test_rows_that_are_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused, match=reason):
        TokenClassification().example(row)


def test_a_number_without_a_label_is_refused() -> None:
    task = TokenClassification(labels=["O", "B-LOC"])
    with pytest.raises(RowRefused, match=r"holds 2; task\.labels has 2 labels"):
        task.example({"tokens": ["a"], "tags": [2]})


def test_a_column_that_is_not_there_is_refused_by_its_setting() -> None:
    with pytest.raises(RowRefused, match=r"2 columns; task\.tag_column is 3"):
        TokenClassification(tag_column=3).example({"columns": [["a"], ["O"]]})


@pytest.mark.parametrize("row", [{"tokens": ["a"]}, {"columns": [["a"]]}, {"text": "a"}])
def test_tags_may_be_left_out_to_predict(row: dict[str, Any]) -> None:
    content = TokenClassification().example(row, labelled=False)
    assert (content.words, content.tags) == (("a",), None)


# What is settled ----------------------------------------------------------------------------------


def test_labels_are_those_of_the_types_seen() -> None:
    task = task_for([ENGLISH, CHINESE])
    assert task.labels == LABELS
    assert task.scheme == "IOB2"
    assert task.main_metric == "seqeval_f1"
    assert task.model_options()["label2id"]["B-ORG"] == 3


@pytest.mark.parametrize(
    ("tags", "settings", "labels"),
    [
        pytest.param(["I-PER", "I-PER", "O"], {}, ["O", "B-PER", "I-PER"], id="IOB1"),
        pytest.param(["B-PER", "E-PER", "O"], {}, ["O", "B-PER", "I-PER"], id="BIOES"),
        pytest.param(
            ["B-A", "I-A", "O"], {"train_scheme": "BIOES"}, ["O", "B-A", "I-A", "E-A", "S-A"],
            id="to BIOES",
        ),
        pytest.param(["NN", "VB", "NN"], {}, ["NN", "VB"], id="parts of speech"),
        pytest.param(
            ["B-A", "I-A", "O"], {"labels": ["B-A", "I-A", "O", "B-B"]},
            ["B-A", "I-A", "O", "B-B", "I-B"], id="an order given, without I-B",
        ),
        pytest.param(
            ["B-A", "I-A", "O"], {"labels": ["B", "A"]},
            ["O", "B-B", "I-B", "B-A", "I-A"], id="types given",
        ),
        pytest.param(["B", "I", "O"], {}, ["O", "B", "I"], id="without types"),
    ],
)  # fmt: skip
def test_labels_of_every_scheme(
    tags: list[str], settings: dict[str, Any], labels: list[str]
) -> None:
    task = task_for([{"tokens": ["x", "y", "z"], "tags": tags}], **settings)
    assert task.labels == labels


def test_numbers_keep_their_meaning_when_tags_are_rewritten() -> None:
    names = ["O", "B-PER", "E-PER", "S-PER"]
    task = task_for([{"tokens": ["a", "b"], "tags": [1, 2]}], labels=names)
    assert task.labels == ["O", "B-PER", "I-PER"]
    assert task.example({"tokens": ["a"], "tags": [3]}).tags == ("S-PER",)


def test_a_single_tag_cannot_be_learnt() -> None:
    with pytest.raises(DataError, match=r"has 1 tag \(O\)"):
        task_for([{"tokens": ["a"], "tags": ["O"]}])


def test_balanced_weights_count_words() -> None:
    task = task_for([{"tokens": ["a", "b", "c"], "tags": ["NN", "NN", "VB"]}],
                    class_weights="balanced")  # fmt: skip
    assert task.weights == [0.75, 1.5]


def test_a_weight_of_no_label_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="names 'B-LOK', which is no label") as error:
        task_for([ENGLISH], class_weights={"B-LOK": 2.0})
    assert error.value.hint == "did you mean 'B-LOC'?"


# Problems -----------------------------------------------------------------------------------------


def test_illegal_tags_are_found_and_mended() -> None:
    task = task_for([ENGLISH])
    row = {"columns": [["in", "Oslo", "b"], ["O", "I-LOC", "I-PER"]], "lines": [7, 8, 9]}
    [problem] = [
        p for p in task.problems(examples_of(task, [ENGLISH, row])) if p.kind == "illegal_tags"
    ]
    assert problem.example == 1
    assert problem.text == "I-LOC at word 2 (line 8) cannot follow O in IOB2"
    assert problem.mended.tags == ("O", "B-LOC", "B-PER")


def test_unknown_tags_are_found_with_the_nearest() -> None:
    task = task_for([ENGLISH], labels=["PER", "LOC"])
    rows = [ENGLISH, {"tokens": ["a", "b"], "tags": ["B-LOCK", "BPER"]}]
    found = [p.text for p in task.problems(examples_of(task, rows)) if p.kind == "unknown_label"]
    assert found == [
        "tag 'LOCK' is unknown; did you mean 'LOC'?",
        "tag 'BPER' is unknown; did you mean 'PER'?",
    ]


def test_empty_classes_and_rows_without_entities_are_found() -> None:
    task = task_for([ENGLISH], labels=["PER", "LOC", "ORG"])
    rows = [ENGLISH, {"tokens": ["a"], "tags": ["O"]}]
    found = {p.kind: p.text for p in task.problems(examples_of(task, rows)) if p.example is None}
    assert found == {
        "empty_class": "no row has the entity of type 'ORG'",
        "no_entity": "1 of 2 rows have no entity",
    }


def test_spans_that_do_not_fit_are_found() -> None:
    spans = [
        {"start": 0, "end": 3, "label": "PER"},
        {"start": 5, "end": 10, "label": "PER"},
        {"start": 0, "end": 10, "label": "PER"},
    ]
    task = TokenClassification(labels=["PER"])
    examples = examples_of(task, [{"text": "John Smith", "spans": spans}])
    kinds = [problem.kind for problem in task.settle(examples).problems(examples)]
    assert kinds == ["uneven_span", "overlapping_spans", "overlapping_spans"]


# Targets ------------------------------------------------------------------------------------------


def targets(task: TokenClassification, tokenizer: Any, row: Any) -> list[tuple[str, str]]:
    """Tokens that are trained on, each with its tag."""
    encoded = task.encode(examples_of(task, [row]), tokenizer, labelled=True)
    found = []
    for feature in encoded.features:
        tokens = tokenizer.convert_ids_to_tokens(feature.arrays["input_ids"].tolist())
        labels = feature.arrays["labels"].tolist()
        assert feature.num_targets == (sum(label >= 0 for label in labels),)
        found += [(t, task.labels[n]) for t, n in zip(tokens, labels, strict=True) if n >= 0]  # type: ignore[index]
    return found


def test_the_first_token_of_a_word_is_its_target() -> None:
    task = task_for([ENGLISH])
    assert targets(task, word_pieces(), ENGLISH) == [
        ("john", "B-PER"), ("smith", "I-PER"), ("lives", "O"), ("in", "O"), ("ber", "B-LOC"),
        (".", "O"),
    ]  # fmt: skip


def test_all_tokens_of_a_word_can_be_targets() -> None:
    task = task_for([ENGLISH], all_pieces=True)
    found = targets(task, word_pieces(), ENGLISH)
    assert found[4:6] == [("ber", "B-LOC"), ("##lin", "I-LOC")]


def test_words_of_chinese_have_their_first_character_as_target() -> None:
    task = task_for([CHINESE])
    assert targets(task, word_pieces(), CHINESE) == [
        ("我", "O"), ("在", "O"), ("北", "B-ORG"), ("大", "I-ORG"), ("学", "O"), ("。", "O"),
    ]  # fmt: skip


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("row", [ENGLISH, CHINESE], ids=["English", "Chinese"])
@pytest.mark.parametrize("max_length", [5, 8, 64])
def test_every_word_is_a_target_once(make: Callable[[], Any], row: Any, max_length: int) -> None:
    task = task_for([ENGLISH, CHINESE], max_length=max_length, stride=2)
    assert [tag for _, tag in targets(task, make(), row)] == row["tags"]


def test_a_tag_that_is_not_known_is_no_target() -> None:
    task = task_for([ENGLISH])
    row = {"tokens": ["in", "Oslo"], "tags": ["O", "B-ORG"]}
    assert targets(task, word_pieces(), row) == [("in", "O")]


def test_bytes_are_those_of_the_running_text() -> None:
    tokenizer = byte_pairs()
    task = task_for([ENGLISH])
    encoded = task.encode(examples_of(task, [{"tokens": ["in", "oslo"], "tags": ["O", "B-LOC"]}]),
                          tokenizer, labelled=True)  # fmt: skip
    [feature] = encoded.features
    assert feature.arrays["input_ids"].tolist() == tokenizer("in oslo")["input_ids"]
    # Between ideographs no blank is written, and none is read.
    encoded = task.encode(examples_of(task, [CHINESE]), tokenizer, labelled=True)
    assert (
        encoded.features[0].arrays["input_ids"].tolist()
        == (tokenizer("".join(CHINESE["tokens"]))["input_ids"])
    )


def test_bytes_with_a_blank_of_their_own_get_no_second_one() -> None:
    tokenizer = byte_pairs(prefix=True)
    task = task_for([ENGLISH])
    row = {"tokens": ["in", "oslo"], "tags": ["O", "O"]}
    [feature] = task.encode(examples_of(task, [row]), tokenizer, labelled=True).features
    assert feature.arrays["input_ids"].tolist() == tokenizer("in oslo")["input_ids"]


def test_punctuation_of_a_text_keeps_its_place_beside_the_word() -> None:
    tokenizer = byte_pairs()
    task = task_for([ENGLISH])
    text = "in oslo, in oslo."
    encoded = task.encode(examples_of(task, [{"text": text, "spans": []}]), tokenizer,
                          labelled=True)  # fmt: skip
    assert encoded.features[0].arrays["input_ids"].tolist() == tokenizer(text)["input_ids"]


# Windows ------------------------------------------------------------------------------------------

LONG = {"tokens": [f"{word}{'s' * (n % 3)}" for n, word in enumerate(["in", "oslo", "people"] * 9)]}


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("stride", [0, 3, 8])
@pytest.mark.parametrize("max_length", [12, 20, 33])
def test_tags_do_not_depend_on_where_windows_are_cut(
    make: Callable[[], Any], stride: int, max_length: int
) -> None:
    tokenizer = make()
    found = [
        predict(task, examples_of(task, [LONG, ENGLISH], labelled=False), tokenizer, by_token)
        for task in (
            task_for([ENGLISH, CHINESE], max_length=length, stride=stride)
            for length in (max_length, 512)
        )
    ]
    assert found[0] == found[1]
    assert [len(one["prediction"]) for one in found[0]] == [27, 6]


def test_a_word_is_read_where_it_has_most_context() -> None:
    task = task_for([ENGLISH], max_length=6, stride=2)  # four tokens a window, two shared
    row = {"tokens": list("abcdeab"), "tags": ["O"] * 7}
    encoded = task.encode(examples_of(task, [row]), word_pieces(), labelled=True)
    # Tokens 0-3, 2-5, 4-6. Token 3 is last in the first window and second in the next one.
    assert [feature.details[0].tolist() for feature in encoded.features] == [
        [0, 1, 2],
        [3, 4],
        [5, 6],
    ]
    assert [feature.num_targets for feature in encoded.features] == [(3,), (2,), (2,)]
    assert encoded.counts == {"windows of rows longer than one": 2}
    assert encoded.truncated == 0


def test_a_word_longer_than_a_window_is_read_by_its_beginning() -> None:
    task = task_for([ENGLISH], max_length=4, stride=0)
    row = {"tokens": ["oslosososos", "a"], "tags": ["B-LOC", "O"]}
    found = targets(task, unigrams(), row)
    assert [tag for _, tag in found] == ["B-LOC", "O"]


def test_words_without_tokens_are_outside_and_counted() -> None:
    tokenizer = word_pieces()
    task = task_for([ENGLISH])
    row = {"tokens": ["\u200b", "Berlin", "\x7f", "."]}
    examples = examples_of(task, [row], labelled=False)
    encoded = task.encode(examples, tokenizer, labelled=False)
    assert encoded.counts == {"words without tokens": 2}
    [found] = predict(task, examples, tokenizer, lambda **arrays: by_token(
        input_ids=torch.ones_like(arrays["input_ids"])
    ))  # fmt: skip
    assert found["prediction"] == ["O", "B-LOC", "O", "B-LOC"]


def test_a_row_of_nothing_but_such_words() -> None:
    task = task_for([ENGLISH])
    examples = examples_of(task, [{"tokens": ["\u200b"], "tags": ["B-LOC"]}])
    encoded = task.encode(examples, word_pieces(), labelled=True)
    assert encoded.without_targets == 1
    assert predict(task, examples, word_pieces(), by_token)[0]["prediction"] == ["O"]


def test_a_tokenizer_that_knows_no_places_is_refused() -> None:
    class Slow:
        is_fast = False

    task = task_for([ENGLISH])
    with pytest.raises(UsageError, match="Slow does not say where its tokens stand"):
        task.encode(examples_of(task, [ENGLISH]), Slow(), labelled=True)


# The model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TOKENIZERS)
def test_predictions_do_not_depend_on_the_batch(make: Callable[[], Any]) -> None:
    tokenizer = make()
    task = task_for([ENGLISH, CHINESE])
    examples = examples_of(task, [ENGLISH, LONG, CHINESE, {"tokens": ["a"]}], labelled=False)
    model = tagger(tokenizer)
    alone = predict(task, examples, tokenizer, model, batch_size=1)
    for size in (2, 3, 50):
        together = predict(task, examples, tokenizer, model, batch_size=size)
        assert [one["prediction"] for one in together] == [one["prediction"] for one in alone]
        scores = [[e["score"] for e in one["entities"]] for one in together]
        # float32 sums in another order
        assert scores == [
            pytest.approx([e["score"] for e in one["entities"]], abs=1e-5) for one in alone
        ]


def test_the_loss_is_the_sum_over_words_whatever_the_batch() -> None:
    tokenizer = word_pieces()
    task = task_for([ENGLISH, CHINESE])
    encoded = task.encode(examples_of(task, [ENGLISH, CHINESE]), tokenizer, labelled=True)
    model = tagger(tokenizer)
    alone = loss_of(task, encoded, tokenizer, model, 1)
    assert loss_of(task, encoded, tokenizer, model, 2) == pytest.approx(alone, rel=1e-5)
    batch = batch_of(task, encoded.features[:1], tokenizer)
    logits = task.outputs(model, batch)["logits"][0].double().detach()
    kept = batch["labels"][0] >= 0
    chances = logits.log_softmax(-1)[kept, batch["labels"][0][kept]]
    first = task.loss(task.outputs(model, batch), batch)
    assert first.item() == pytest.approx(-chances.sum().item(), rel=1e-5)  # float32


def test_weights_and_smoothing_change_the_loss() -> None:
    tokenizer = word_pieces()
    rows = [ENGLISH, CHINESE]
    losses = set()
    for settings in ({}, {"label_smoothing": 0.1}, {"class_weights": {"O": 0.5}}):
        task = task_for(rows, **settings)
        encoded = task.encode(examples_of(task, rows), tokenizer, labelled=True)
        losses.add(round(loss_of(task, encoded, tokenizer, tagger(tokenizer), 2), 3))
    assert len(losses) == 3


# Predictions --------------------------------------------------------------------------------------


def answer(task: TokenClassification, row: Any, tags: list[str]) -> dict[str, Any]:
    """What is predicted where the model is sure of these tags."""
    examples = examples_of(task, [row], labelled=False)
    [feature] = task.encode(examples, word_pieces(), labelled=False).features
    logits = np.zeros((len(feature) + 2, len(task.labels or [])), dtype=np.float32)
    for place, tag in zip(feature.details[1], tags, strict=True):
        logits[place, (task.labels or []).index(tag)] = 50.0
    [found] = task.predictions(examples, [feature], [{"logits": logits}])
    return found


def test_entities_of_words() -> None:
    task = task_for([ENGLISH, CHINESE])
    found = answer(task, ENGLISH, ["B-PER", "I-PER", "O", "O", "I-LOC", "O"])
    assert found["prediction"] == ["B-PER", "I-PER", "O", "O", "I-LOC", "O"]
    assert found["entities"] == [
        {"label": "PER", "start_word": 0, "end_word": 2, "text": "John Smith", "score": 1.0},
        {"label": "LOC", "start_word": 4, "end_word": 5, "text": "Berlin", "score": 1.0},
    ]
    [entity] = answer(task, CHINESE, CHINESE["tags"])["entities"]
    assert entity["text"] == "北京大学"


def test_entities_of_a_text_have_their_characters() -> None:
    task = task_for([ENGLISH, CHINESE])
    text = "John  Smith 在北京"
    found = answer(task, {"text": text}, ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"])
    assert found["words"] == ["John", "Smith", "在", "北", "京"]
    assert [(e["text"], e["start"], e["end"]) for e in found["entities"]] == [
        ("John  Smith", 0, 11), ("北京", 13, 15),
    ]  # fmt: skip
    # What is predicted can be trained on.
    spans = [{k: e[k] for k in ("start", "end", "label")} for e in found["entities"]]
    again = task.example({"text": text, "spans": spans})
    assert list(again.tags or ()) == found["prediction"]


def test_parts_of_speech_have_scores_in_place_of_entities() -> None:
    task = task_for([{"tokens": ["a", "b"], "tags": ["NN", "VB"]}])
    found = answer(task, {"tokens": ["a", "b"]}, ["VB", "NN"])
    assert found == {"prediction": ["VB", "NN"], "scores": [1.0, 1.0]}


# Measures -----------------------------------------------------------------------------------------


def test_entities_are_measured_as_conlleval_and_strictly() -> None:
    task = task_for([ENGLISH, CHINESE])
    said = [{"prediction": ["B-PER", "I-PER", "O", "O", "I-LOC", "O"]}]
    usual, strict = task.measure(examples_of(task, [ENGLISH]), said)
    assert usual.values()["seqeval_f1"] == 1.0
    assert strict.values()["seqeval_strict_f1"] == pytest.approx(2 / 3)
    assert task.main_metric in usual.values()


def test_tags_of_other_schemes_are_measured_as_they_are_learnt() -> None:
    rows = [{"tokens": ["a", "b", "c"], "tags": ["B-PER", "E-PER", "S-LOC"]}]
    task = task_for(rows)
    usual, strict = task.measure(
        examples_of(task, rows), [{"prediction": ["B-PER", "I-PER", "B-LOC"]}]
    )
    assert usual.values()["seqeval_f1"] == strict.values()["seqeval_strict_f1"] == 1.0


def test_every_type_is_measured() -> None:
    task = task_for([ENGLISH, CHINESE])
    found = task.by_type(examples_of(task, [ENGLISH]), [{"prediction": ["O"] * 4 + ["B-LOC", "O"]}])
    assert [(one.label, one.recall) for one in found] == [("LOC", 1.0), ("PER", 0.0)]


def test_parts_of_speech_are_measured_by_their_tags() -> None:
    rows = [{"tokens": ["a", "b"], "tags": ["NN", "VB"]}]
    task = task_for(rows)
    [found] = task.measure(examples_of(task, rows), [{"prediction": ["NN", "NN"]}])
    assert found.values()[task.main_metric] == 0.5


def test_the_baseline_remembers_words() -> None:
    task = task_for([ENGLISH, CHINESE])
    train = examples_of(task, [ENGLISH])
    found = task.baseline(
        train, examples_of(task, [{"tokens": ["Berlin", "x"], "tags": ["O", "O"]}])
    )
    assert found.predictions == [["B-LOC", "O"]]


def test_a_row_is_shown_with_its_tags() -> None:
    task = task_for([ENGLISH])
    [example] = examples_of(task, [ENGLISH])
    assert task.show(example)[1][1].startswith("John/B-PER Smith/I-PER lives/O")
    tokenizer = word_pieces()
    [feature] = task.encode([example], tokenizer, labelled=True).features
    assert isinstance(feature, Feature)
    shown = dict(task.show_feature(feature, tokenizer.decode))
    assert shown["targets"] == "john/B-PER smith/I-PER lives/O in/O ber/B-LOC ./O"
