"""Answers within contexts: rows, places, windows, the best spans, and no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from task_models import (
    HAN,
    WORDS,
    batch_of,
    byte_pairs,
    examples_of,
    loss_of,
    predict,
    tiny_bert,
    unigrams,
    word_pieces,
)

from llmctl.errors import DataError
from llmctl.tasks.base import RowRefused
from llmctl.tasks.question_answering import ExtractiveQA
from llmctl.tasks.question_answering_features import tokens_of
from llmctl.tasks.question_answering_rows import Answer, Question, nearest_place

OSLO = {
    "id": "q1", "question": "Where lives John?", "context": "John Smith lives in Oslo, the river.",
    "answers": {"text": ["Oslo"], "answer_start": [20]},
}  # fmt: skip
NONE = {**OSLO, "id": "q2", "answers": {"text": [], "answer_start": []}}
CHINESE = {
    "question": "中国的首都是？", "context": "我们在北京大学学习。中国的首都是北京。",
    "answers": {"text": ["北京"], "answer_start": [16]},
}  # fmt: skip
TOKENIZERS = [word_pieces, byte_pairs, unigrams]


def task_for(rows: list[Any], **settings: Any) -> ExtractiveQA:
    task = ExtractiveQA(**{"max_length": 64, **settings})
    return task.settle(examples_of(task, rows))


def reader(tokenizer: Any) -> Any:
    model = tiny_bert(tokenizer, "QuestionAnswering", num_labels=2)

    def call(**arrays: torch.Tensor) -> torch.Tensor:
        found = model(**arrays)
        return torch.stack([found.start_logits, found.end_logits], dim=-1)

    return call


# Rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Oslo"], "answer_start": [3]},
        {"text": "Oslo", "answer_start": 3},
        {"text": ["Oslo"]},
        [{"text": "Oslo", "answer_start": 3}],
        ["Oslo"],
        "Oslo",
    ],
)
def test_shapes_of_answers(answers: Any) -> None:
    row = {"question": "Where?", "context": "In Oslo.", "answers": answers}
    assert ExtractiveQA().example(row).answers == (Answer("Oslo", 3),)


def test_columns_of_other_names() -> None:
    task = ExtractiveQA(question="q", context="text", answers="a")
    assert task.example({"q": "Where?", "text": "In Oslo.", "a": "Oslo"}).answers == (
        Answer("Oslo", 3),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": None}, "column 'question' holds nothing; expected text"),
        ({"context": " "}, "column 'context' is empty"),
        ({"answers": 5}, "column 'answers' holds a number; expected answers"),
        ({"answers": None}, "column 'answers' holds nothing; expected answers"),
        ({"answers": {"text": ["a"], "answer_start": [1, 2]}}, "1 texts and 2 answer_start"),
        ({"answers": {"text": ["a"], "answer_start": ["1"]}}, "is text, no whole number"),
        (
            {"answers": {"text": [" "], "answer_start": [1]}},
            "an answer of column 'answers' is empty",
        ),
        ({"answers": [7]}, "an answer of column 'answers' is a number; expected text"),
        ({"is_impossible": True}, "is_impossible is true, and column 'answers' holds answers"),
    ],
)
def test_rows_that_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused, match=reason):
        ExtractiveQA().example({**OSLO, **change})


def test_a_row_without_answers_is_refused_unless_it_is_to_be_predicted() -> None:
    row = {"question": "Where?", "context": "In Oslo."}
    with pytest.raises(RowRefused, match="column 'answers' is missing"):
        ExtractiveQA().example(row)
    assert ExtractiveQA().example(row, labelled=False).answers is None
    assert ExtractiveQA().example({**row, "is_impossible": True}).answers == ()


# Problems -----------------------------------------------------------------------------------------


def problems(*rows: Any, **settings: Any) -> list[Any]:
    task = ExtractiveQA(max_answer_length=3, **settings)
    return list(task.problems(examples_of(task, rows)))


def test_an_answer_that_is_elsewhere_is_found_and_mended() -> None:
    wrong = {**OSLO, "answers": {"text": ["Oslo"], "answer_start": [0]}}
    [problem] = problems(OSLO, wrong)
    assert (problem.kind, problem.example) == ("answer_offset", 1)
    assert problem.text == "an answer of question q1 is at 20, not at 0"
    assert problem.mended.answers == (Answer("Oslo", 20),)


def test_an_answer_that_is_nowhere_is_found() -> None:
    wrong = {**OSLO, "answers": {"text": ["Paris"], "answer_start": [-1]}}
    [problem] = problems(wrong)
    assert (problem.kind, problem.text) == (
        "answer_missing", "no answer of question q1 is in its context",
    )  # fmt: skip
    assert problem.mended is None


def test_some_answers_may_be_nowhere() -> None:
    answers = {"text": ["Paris", "Oslo", "in Oslo"], "answer_start": [-1, 20, 3]}
    first, second = problems({**OSLO, "answers": answers})
    assert (first.kind, first.text) == (
        "some_answers_missing", "1 of 3 answers of question q1 are not in its context",
    )  # fmt: skip
    assert second.kind == "answer_offset"
    assert [answer.start for answer in second.mended.answers] == [None, 20, 17]
    assert second.mended.target == Answer("Oslo", 20)


def test_an_answer_that_is_too_long_to_be_predicted_is_found() -> None:
    answers = {"text": ["John Smith lives in"], "answer_start": [0]}
    [problem] = problems({**OSLO, "answers": answers})
    assert (problem.kind, problem.text) == (
        "long_answer", "the answer has 4 words; predicted are 3 at most",
    )  # fmt: skip


def test_questions_without_answers_are_no_problem() -> None:
    assert problems(NONE) == []


@pytest.mark.parametrize(("wanted", "found"), [(0, 1), (3, 3), (9, 3), (2, 1)])
def test_the_nearest_place_is_taken(wanted: int, found: int) -> None:
    assert nearest_place(Answer("an", wanted), "banana") == found


def test_places_of_overlapping_occurrences() -> None:
    assert nearest_place(Answer("aa", 1), "aaa") == 1
    assert nearest_place(Answer("x", 1), "aaa") is None


# What is settled ----------------------------------------------------------------------------------


def test_english_rows_with_an_answer_each() -> None:
    task = task_for([OSLO])
    assert (task.no_answer, task.max_answer_length, task.normalizer) == (False, 30, "squad")
    assert task.main_metric == "squad_f1"


def test_chinese_rows_are_compared_by_characters() -> None:
    task = task_for([CHINESE])
    assert (task.normalizer, task.main_metric) == ("cmrc", "cmrc_f1")


def test_rows_without_answers_allow_none() -> None:
    task = task_for([OSLO, NONE])
    assert task.no_answer
    assert task.main_metric == "squad_f1"


def test_long_training_answers_allow_long_answers() -> None:
    context = "中" * 50
    row = {"question": "中？", "context": context, "answers": context[:44]}
    assert task_for([row]).max_answer_length == 44
    assert task_for([row], max_answer_length=7).max_answer_length == 7


def test_rows_without_any_answer_cannot_be_learnt() -> None:
    with pytest.raises(DataError, match="no row of the training data has an answer"):
        task_for([NONE])


# Targets ------------------------------------------------------------------------------------------


def targets(task: ExtractiveQA, tokenizer: Any, row: Any) -> list[str | None]:
    """What each window of a row is trained on, as it stands in the context; None: no answer."""
    encoded = task.encode(examples_of(task, [row]), tokenizer, labelled=True)
    found = []
    for feature in encoded.features:
        start, end = (int(feature.arrays[f"{side}_positions"]) for side in ("start", "end"))
        places = feature.details
        if start == places.nothing:
            assert end == start
            found.append(None)
        else:
            found.append(row["context"][places.starts[start] : places.ends[end]])
    return found


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("John Smith lives in Oslo, the river.", "Oslo"),
        ("John Smith lives in Oslo, the river.", "John Smith"),
        ("John Smith lives in Oslo, the river.", "river."),
        ("  in  berlins  a", "berlins"),
        (CHINESE["context"], "北京大学"),
        ("我在Oslo学习。", "Oslo"),
        ("a\u3000b c", "b"),
    ],
)
def test_targets_are_the_tokens_of_the_answer(
    make: Callable[[], Any], context: str, answer: str
) -> None:
    row = {"question": "a?", "context": context, "answers": answer}
    assert targets(task_for([row], max_length=128), make(), row) == [answer]


def test_an_answer_of_part_of_a_token_takes_the_token() -> None:
    row = {"question": "a?", "context": "in berlin.", "answers": "erl"}
    assert targets(task_for([row]), word_pieces(), row) == ["berlin"]


def test_blanks_around_an_answer_do_not_count() -> None:
    answers = {"text": [" Oslo, "], "answer_start": [19]}
    row = {**OSLO, "answers": answers}
    assert targets(task_for([row]), word_pieces(), row) == ["Oslo,"]


def test_no_answer_is_the_first_token() -> None:
    assert targets(task_for([OSLO, NONE]), word_pieces(), NONE) == [None]


def test_windows_without_the_whole_answer_have_none() -> None:
    context = "the river flows through berlin. john lives in oslo, new york."
    row = {"question": "a?", "context": context, "answers": "john lives"}
    # Two tokens of question and three special ones leave six for the context, two of them shared:
    # the river flows through ber ##lin | ber ##lin . john lives in | lives in oslo , new york | ...
    found = targets(task_for([row], max_length=11, stride=2), word_pieces(), row)
    assert found == [None, "john lives", None, None]


def test_the_first_answer_that_is_in_the_context_is_learnt() -> None:
    answers = {"text": ["Paris", "Oslo"], "answer_start": [0, 20]}
    row = {**OSLO, "answers": answers}
    assert targets(task_for([row]), word_pieces(), row) == ["Oslo"]


def test_an_answer_without_a_place_is_no_target() -> None:
    task = task_for([OSLO])
    row = {**OSLO, "answers": {"text": ["Paris"], "answer_start": [-1]}}
    encoded = task.encode(examples_of(task, [OSLO, row]), word_pieces(), labelled=True)
    assert [feature.num_targets for feature in encoded.features] == [(1,), (0,)]
    assert encoded.without_targets == 1
    assert loss_of(task, encoded, word_pieces(), reader(word_pieces()), 2) > 0


def test_a_long_question_is_cut_and_counted() -> None:
    task = task_for([OSLO], max_length=23, max_question_length=5)
    tokenizer = word_pieces()
    row = {**OSLO, "question": "how many people has the river?"}
    encoded = task.encode(examples_of(task, [OSLO, row]), tokenizer, labelled=True)
    assert encoded.truncated == 1
    tokens = tokenizer.convert_ids_to_tokens(encoded.features[-1].arrays["input_ids"].tolist())
    assert tokens[:7] == ["[CLS]", "how", "many", "people", "has", "the", "[SEP]"]


@pytest.mark.parametrize("make", TOKENIZERS)
def test_windows_of_a_row_do_not_depend_on_other_rows(make: Callable[[], Any]) -> None:
    task = task_for([OSLO], max_length=24, stride=100)
    long = {**OSLO, "question": "how many people? " * 9}
    alone = task.encode(examples_of(task, [OSLO]), make(), labelled=True).features
    together = task.encode(examples_of(task, [OSLO, long]), make(), labelled=True).features
    for one, other in zip(alone, together, strict=False):
        assert one.arrays["input_ids"].tolist() == other.arrays["input_ids"].tolist()


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("row", [OSLO, CHINESE], ids=["English", "Chinese"])
@pytest.mark.parametrize("max_length", [30, 64, 200])
def test_windows_leave_no_character_out(make: Callable[[], Any], row: Any, max_length: int) -> None:
    task = task_for([OSLO], max_length=max_length, stride=4)
    features = task.encode(examples_of(task, [row]), make(), labelled=True).features
    covered = np.zeros(len(row["context"]), dtype=bool)
    for feature in features:
        for start, end in zip(feature.details.starts, feature.details.ends, strict=True):
            covered[start:end] |= start >= 0
            assert not row["context"][start:end].startswith(" ")
    assert all(covered[place] for place, letter in enumerate(row["context"]) if letter != " ")
    assert max(map(len, features)) <= max_length


# Predictions --------------------------------------------------------------------------------------


def oracle(tokenizer: Any, first: str, last: str | None = None) -> Any:
    """A model that finds two tokens, wherever they stand, and otherwise says 'no answer'."""
    start, end = tokenizer.convert_tokens_to_ids([first, last or first])

    def call(**arrays: torch.Tensor) -> torch.Tensor:
        ids = arrays["input_ids"]
        nothing = 2.0 * (torch.arange(ids.shape[1]) == 0).expand_as(ids)
        return torch.stack([5.0 * (ids == start) + nothing, 4.0 * (ids == end) + nothing], dim=-1)

    return call


def test_the_best_span_is_found_with_its_place_and_score() -> None:
    task = task_for([OSLO])
    [found] = predict(task, examples_of(task, [OSLO]), word_pieces(),
                      oracle(word_pieces(), "john", "smith"))  # fmt: skip
    assert (found["id"], found["prediction"], found["start"], found["end"]) == (
        "q1", "John Smith", 0, 10,
    )  # fmt: skip
    assert found["n_best"][0] == {
        "text": "John Smith", "start": 0, "end": 10, "score": found["score"],
    }  # fmt: skip
    assert len(found["n_best"]) == 5
    assert 0.25 < found["score"] < 1
    assert "no_answer_score" not in found


def test_a_chinese_answer_is_found_by_its_characters() -> None:
    task = task_for([CHINESE])
    row = {"question": "在？", "context": "我们在上海学习。", "answers": "上海"}
    [found] = predict(task, examples_of(task, [row]), word_pieces(),
                      oracle(word_pieces(), "上", "海"))  # fmt: skip
    assert (found["prediction"], found["start"], found["end"]) == ("上海", 3, 5)


def test_spans_are_no_longer_than_allowed() -> None:
    task = task_for([OSLO], max_answer_length=3)
    [found] = predict(task, examples_of(task, [OSLO]), word_pieces(),
                      oracle(word_pieces(), "john", "river"))  # fmt: skip
    assert found["prediction"] == "John"
    task = task_for([OSLO], max_answer_length=8)
    [found] = predict(task, examples_of(task, [OSLO]), word_pieces(),
                      oracle(word_pieces(), "john", "river"))  # fmt: skip
    assert found["prediction"] == "John Smith lives in Oslo, the river"


def test_a_span_does_not_end_before_it_begins() -> None:
    task = task_for([OSLO])
    [found] = predict(task, examples_of(task, [OSLO]), word_pieces(),
                      oracle(word_pieces(), "river", "john"))  # fmt: skip
    assert found["prediction"] == "river"


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, "Oslo"), (-10.0, ""), (-4.0, "Oslo")])
def test_the_threshold_decides_whether_there_is_an_answer(threshold: float, expected: str) -> None:
    task = task_for([OSLO, NONE], no_answer_threshold=threshold)
    tokenizer = word_pieces()
    oslo = tokenizer.convert_tokens_to_ids("oslo")

    def model(**arrays: torch.Tensor) -> torch.Tensor:
        found = 5.0 * (arrays["input_ids"] == oslo)
        found[:, 0] = 2.5  # no answer: 5 against 10
        return torch.stack([found, found], dim=-1)

    [found] = predict(task, examples_of(task, [OSLO]), tokenizer, model)
    assert found["prediction"] == expected
    assert (found["start"] is None) is (not expected)
    assert found["best_answer"] == "Oslo"
    assert found["no_answer_score"] == -5.0


def test_no_answer_is_that_of_the_window_that_says_it_least() -> None:
    context = "the river flows through berlin. john lives in oslo, new york."
    row = {"question": "a?", "context": context, "answers": "oslo"}
    task = task_for([row, NONE], max_length=11, stride=2)
    examples = examples_of(task, [row])
    features = task.encode(examples, word_pieces(), labelled=False).features
    outputs = []
    for number, feature in enumerate(features):
        logits = np.zeros(len(feature), dtype=np.float32)
        logits[0] = 3.0 - number
        outputs.append({"start": logits, "end": logits})
    [found] = task.predictions(examples, features, outputs)
    assert found["no_answer_score"] == 2 * (3.0 - (len(features) - 1))


@pytest.mark.parametrize("make", TOKENIZERS)
@pytest.mark.parametrize("max_length", [30, 41, 64])
@pytest.mark.parametrize("row", [OSLO, CHINESE], ids=["English", "Chinese"])
def test_an_answer_does_not_depend_on_where_windows_are_cut(
    make: Callable[[], Any], max_length: int, row: Any
) -> None:
    """Every token has its own logits, whatever stands around it."""
    tokenizer = make()
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(len(tokenizer), 2, generator=generator)
    found = []
    for length in (max_length, 200):
        task = task_for([row], max_length=length, stride=8, max_answer_length=1)
        found += predict(task, examples_of(task, [row]), tokenizer,
                         lambda **arrays: table[arrays["input_ids"]])  # fmt: skip
    assert found[0]["prediction"] == found[1]["prediction"]
    assert found[0]["start"] == found[1]["start"]


@pytest.mark.parametrize("make", TOKENIZERS)
def test_predictions_and_loss_do_not_depend_on_the_batch(make: Callable[[], Any]) -> None:
    tokenizer = make()
    task = task_for([OSLO, NONE, CHINESE])
    examples = examples_of(
        task, [OSLO, CHINESE, {**OSLO, "context": "in Oslo."} | {"answers": "Oslo"}]
    )
    model = reader(tokenizer)
    alone = predict(task, examples, tokenizer, model, batch_size=1)
    together = predict(task, examples, tokenizer, model, batch_size=3)
    for one, other in zip(alone, together, strict=True):
        assert one["prediction"] == other["prediction"]
        # float32 sums in another order
        assert one["no_answer_score"] == pytest.approx(other["no_answer_score"], abs=1e-4)
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
    encoded = task.encode(examples, tokenizer, labelled=True)
    losses = [loss_of(task, encoded, tokenizer, model, size) for size in (1, 2, 3)]
    assert losses == [pytest.approx(losses[0], rel=1e-5)] * 3


def test_the_loss_is_that_of_transformers() -> None:
    tokenizer = word_pieces()
    task = task_for([OSLO, NONE])
    encoded = task.encode(examples_of(task, [OSLO]), tokenizer, labelled=True)
    model = tiny_bert(tokenizer, "QuestionAnswering", num_labels=2)
    batch = batch_of(task, encoded.features, tokenizer)
    assert loss_of(task, encoded, tokenizer, reader(tokenizer), 1) == pytest.approx(
        model(**batch).loss.item(), rel=1e-6
    )


# Measures -----------------------------------------------------------------------------------------


def test_answers_are_measured_by_the_rules_of_squad() -> None:
    task = task_for([OSLO])
    [found] = task.measure(examples_of(task, [OSLO]), [{"prediction": "the Oslo"}])
    assert found.values() == {"squad_f1": 100.0, "squad_em": 100.0}


def test_chinese_answers_are_measured_by_the_rules_of_cmrc_first() -> None:
    task = task_for([CHINESE])
    first, second = task.measure(examples_of(task, [CHINESE]), [{"prediction": "是北京。"}])
    assert first.values()[task.main_metric] == pytest.approx(80.0)
    assert second.values()["squad_f1"] == 0.0


def test_no_answer_is_measured_by_the_second_version() -> None:
    task = task_for([OSLO, NONE])
    said = [
        {"prediction": "Oslo", "best_answer": "Oslo", "no_answer_score": -1.0},
        {"prediction": "Oslo", "best_answer": "Oslo", "no_answer_score": -0.5},
    ]
    [found] = task.measure(examples_of(task, [OSLO, NONE]), said)
    assert found.values()["squad_f1"] == 50.0
    assert found.values()["no_answer_accuracy"] == 0.0
    [note] = found.notes
    assert note.startswith("task.no_answer_threshold=-1 would have given a squad_f1 of 100.00")


def test_chinese_with_questions_that_have_no_answer() -> None:
    task = task_for([CHINESE, {**CHINESE, "answers": []}])
    [found] = task.measure(
        examples_of(task, [CHINESE, {**CHINESE, "answers": []}]),
        [{"prediction": "北京。"}, {"prediction": ""}],
    )
    assert found.values()[task.main_metric] == 100.0
    assert found.signature["words"] == "cmrc2018 segments"


def test_a_question_without_an_answer_is_wrong_where_the_model_must_answer() -> None:
    task = task_for([CHINESE])
    rows = examples_of(task, [CHINESE, {**CHINESE, "answers": []}])
    first, _ = task.measure(rows, [{"prediction": "北京"}, {"prediction": "北京"}])
    assert first.values()[task.main_metric] == 50.0


def test_baselines() -> None:
    task = task_for([OSLO, NONE])
    examples = examples_of(task, [OSLO, CHINESE])
    first = task.baseline(examples[:1], examples)
    assert (first.name, first.predictions) == ("first words", ["John", "我"])
    nothing = task.baseline(examples_of(task, [NONE, NONE, OSLO]), examples)
    assert (nothing.name, nothing.predictions) == ("no answer", ["", ""])


def test_a_row_is_shown_with_its_answers() -> None:
    task = task_for([OSLO, NONE])
    tokenizer = word_pieces()
    examples = examples_of(task, [OSLO, NONE])
    assert [task.show(one)[-1] for one in examples] == [
        ("answers", "Oslo (at 20)"), ("answers", "none"),
    ]  # fmt: skip
    features = task.encode(examples, tokenizer, labelled=True).features
    assert [task.show_feature(one, tokenizer.decode)[-1] for one in features] == [
        ("target", "oslo"), ("target", "no answer in this window"),
    ]  # fmt: skip


def test_every_answer_of_a_context_can_be_read_back() -> None:
    """Whatever run of words is the answer, its tokens stand where it does."""
    words = [word for word in WORDS if word.isalpha()][:8]
    context = " ".join(words) + HAN[:8]
    tokenizer = word_pieces()
    task = task_for([OSLO])
    row = {"question": "a?", "context": context, "answers": words[0]}
    [feature] = task.encode(examples_of(task, [row]), tokenizer, labelled=True).features
    borders = [place for place in range(len(context) + 1)
               if place >= len(context) - 8 or context[place] == " "]  # fmt: skip
    for start in borders:
        for end in (place for place in borders if place > start):
            answer = Answer(context[start:end].strip(), start + (context[start] == " "))
            found = tokens_of(answer, context, feature.details)
            assert found is not None
            places = feature.details
            assert context[places.starts[found[0]] : places.ends[found[1]]] == answer.text
    assert isinstance(task.example(row), Question)
