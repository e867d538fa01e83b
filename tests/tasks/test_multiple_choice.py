"""Choices: rows of every shape, features, predictions, and what is refused."""

from __future__ import annotations

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

from llmctl.tasks.base import RowRefused
from llmctl.tasks.batches import make_batch
from llmctl.tasks.multiple_choice import MultipleChoice, _texts_of

SWAG = {
    "sent1": "John lives in Oslo.", "sent2": "The river", "ending0": "flows.", "ending1": "lives.",
    "ending2": "has.", "ending3": "in Berlin.", "label": 1,
}  # fmt: skip
TWO = {"question": "John lives in?", "choices": ["Oslo", "new york, the river"], "label": 0}
THREE = {"question": "北京是？", "choices": ["首都", "大学", "上海"], "label": 2}
TOKENIZERS = [word_pieces, byte_pairs, unigrams]


def task_for(rows: list[Any], **settings: Any) -> MultipleChoice:
    task = MultipleChoice(**{"max_length": 48, **settings})
    return task.settle(examples_of(task, rows))


def chooser(tokenizer: Any) -> Any:
    model = tiny_bert(tokenizer, "MultipleChoice")
    return lambda **arrays: model(**arrays).logits


# Rows ---------------------------------------------------------------------------------------------

RACE = {"article": "It rained.", "question": "How?", "options": ["dry", "wet"], "answer": "B"}
ARC = {
    "question": "How?", "answerKey": "2", "choices": {"text": ["dry", "wet"], "label": ["1", "2"]},
}  # fmt: skip
COMMONSENSE = {
    "answerKey": "B",
    "question": {
        "stem": "How?",
        "choices": [{"label": "A", "text": "dry"}, {"label": "B", "text": "wet"}],
    },
}
SOCIAL = {"context": "It rained.", "question": "How?", "answerA": "dry", "answerB": "wet"}


@pytest.mark.parametrize(
    ("row", "settings", "context", "name"),
    [
        pytest.param(RACE, {}, "It rained.", "B", id="RACE"),
        pytest.param(ARC, {}, None, "2", id="ARC"),
        pytest.param(COMMONSENSE, {}, None, "B", id="CommonsenseQA"),
        pytest.param(
            {**SOCIAL, "label": "2"}, {"first_number": 1}, "It rained.", "2", id="numbers from 1"
        ),
        pytest.param({**SOCIAL, "label": 1}, {}, "It rained.", "1", id="numbers from 0"),
        pytest.param(
            {"q": "How?", "a": "dry", "b": "wet", "c": "", "right": "wet"},
            {"question": "q", "choices": ["a", "b", "c"], "label": "right"}, None, "wet",
            id="columns of a table",
        ),
        pytest.param({**RACE, "answer": "b"}, {}, "It rained.", "b", id="small letters"),
    ],
)  # fmt: skip
def test_shapes_of_rows(
    row: dict[str, Any], settings: dict[str, Any], context: str | None, name: str
) -> None:
    found = MultipleChoice(**settings).example(row)
    assert found.choices == ("dry", "wet")
    assert (found.context, found.question, found.answer) == (context, "How?", 1)
    assert found.names[1] == name


def test_swag() -> None:
    found = MultipleChoice().example(SWAG)
    assert (found.context, found.question) == ("John lives in Oslo.", "The river")
    assert found.choices == ("flows.", "lives.", "has.", "in Berlin.")
    assert found.answer == 1
    assert MultipleChoice().example({**SWAG, "label": "1"}) == found  # a table's texts


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**TWO, "label": 2}, "the answer is 2; choices are 0 to 1"),
        ({**TWO, "label": "C"}, "the answer is 'C'; choices are A to B"),
        ({**TWO, "label": "Osla"}, "none of the 2 choices; the nearest is choice 1"),
        ({**TWO, "label": None}, "column 'label' holds no answer"),
        ({**TWO, "label": -1}, "column 'label' holds no answer"),
        ({**TWO, "label": 1.0}, "the answer is a number; expected a number, a letter or a text"),
        ({"question": "a", "choices": ["a", "b"]}, "column 'label' is missing"),
        ({"question": "a", "label": 0}, "no column of choices"),
        ({**TWO, "choices": ["Oslo"]}, "1 choice; at least two were expected"),
        ({**TWO, "choices": "Oslo"}, "holds text; expected a list of choices"),
        ({**TWO, "choices": ["Oslo", ""]}, "choice 2 is empty; expected text"),
        ({**TWO, "choices": ["Oslo", None]}, "choice 2 is nothing; expected text"),
        ({"choices": ["a", "b"], "label": 0}, "neither a context nor a question is there"),
        ({**RACE, "question": ["How?", "When?"]}, "holds 2 questions; a row for each"),
        ({**ARC, "choices": {"text": ["a", "b"], "label": ["1"]}}, "2 choices and 1 keys"),
    ],
)
def test_rows_that_are_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused, match=reason):
        MultipleChoice().example(row)


@pytest.mark.parametrize("hidden", [{}, {"label": -1}, {"label": None}])
def test_answers_may_be_left_out_to_predict(hidden: dict[str, Any]) -> None:
    row = {"question": "a", "choices": ["a", "b"], **hidden}
    assert MultipleChoice().example(row, labelled=False).answer is None


def test_equal_choices_are_a_problem() -> None:
    task = task_for([TWO])
    row = {**TWO, "choices": ["Oslo", "b", "Oslo"]}
    [problem] = task.problems(examples_of(task, [TWO, row]))
    assert (problem.kind, problem.example) == ("same_choices", 1)
    assert problem.text == "choices 1 and 3 are the same"


# Features -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "number", "expected"),
    [
        pytest.param(SWAG, 1, ("John lives in Oslo.", "The river lives."), id="SWAG"),
        pytest.param(TWO, 0, ("John lives in?", "Oslo"), id="no context"),
        pytest.param(
            {**RACE, "question": "It was _ ."}, 0, ("It rained.", "It was dry ."), id="a blank"
        ),
        pytest.param(
            {"context": "北京。", "question": "北京是", "choices": ["首都", "大学"], "label": 0},
            0, ("北京。", "北京是首都"), id="Chinese",
        ),
        pytest.param(
            {"context": "It rained.", "choices": ["a", "b"], "label": 0}, 1, ("It rained.", "b"),
            id="no question",
        ),
    ],
)  # fmt: skip
def test_what_is_read(row: dict[str, Any], number: int, expected: tuple[str, str]) -> None:
    assert _texts_of(MultipleChoice().example(row), number) == expected


def test_a_feature_has_a_row_for_each_choice() -> None:
    tokenizer = word_pieces()
    task = task_for([TWO])
    [feature] = task.encode(examples_of(task, [TWO]), tokenizer, labelled=True).features
    alone = tokenizer(["John lives in?"] * 2, TWO["choices"])
    for number in range(2):
        length = len(alone["input_ids"][number])
        for name in ("input_ids", "token_type_ids"):
            assert feature.arrays[name][number, :length].tolist() == alone[name][number]
        assert feature.arrays["attention_mask"][number].sum() == length
    assert feature.arrays["labels"] == 0
    assert feature.num_targets == (1,)


def test_rows_may_have_different_numbers_of_choices() -> None:
    tokenizer = word_pieces()
    task = task_for([TWO, THREE])
    features = task.encode(examples_of(task, [TWO, THREE, SWAG]), tokenizer, labelled=True).features
    batch = make_batch(features, task.padding(tokenizer), task.fixed)
    assert batch.arrays["input_ids"].shape[:2] == (3, 4)
    assert batch.arrays["is_choice"].sum(1).tolist() == [2, 3, 4]
    assert batch.arrays["attention_mask"][0].sum(-1).tolist()[2:] == [1, 1]
    assert batch.num_targets == (3,)


def test_a_long_context_is_cut_and_not_the_choice() -> None:
    tokenizer = word_pieces()
    task = task_for([TWO], max_length=16)
    row = {**SWAG, "sent1": "how many people has the river? " * 5}
    encoded = task.encode(examples_of(task, [TWO, row]), tokenizer, labelled=True)
    assert encoded.truncated == 1
    ids = encoded.features[1].arrays["input_ids"]
    assert ids.shape == (4, 16)
    assert tokenizer.decode(ids[3]).endswith("[SEP] the river in ber ##lin . [SEP]")


# The model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TOKENIZERS)
def test_predictions_and_loss_do_not_depend_on_the_batch(make: Any) -> None:
    tokenizer = make()
    task = task_for([TWO, THREE], label_smoothing=0.1)
    examples = examples_of(task, [TWO, THREE, SWAG])
    model = chooser(tokenizer)
    alone = [predict(task, [one], tokenizer, model)[0] for one in examples]  # no choice is missing
    together = predict(task, examples, tokenizer, model, batch_size=3)
    for one, other in zip(alone, together, strict=True):
        assert one["prediction"] == other["prediction"]
        # float32 sums in another order
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    losses = []
    for group in ([examples], [[one] for one in examples]):
        encoded = [task.encode(part, tokenizer, labelled=True) for part in group]
        losses.append(sum(loss_of(task, one, tokenizer, model, 3) for one in encoded))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_loss_is_that_of_transformers() -> None:
    tokenizer = word_pieces()
    task = task_for([THREE])
    encoded = task.encode(examples_of(task, [THREE]), tokenizer, labelled=True)
    batch = batch_of(task, encoded.features, tokenizer)
    expected = tiny_bert(tokenizer, "MultipleChoice")(
        **{name: value for name, value in batch.items() if name != "is_choice"}
    ).loss.item()
    assert loss_of(task, encoded, tokenizer, chooser(tokenizer), 1) == pytest.approx(
        expected, rel=1e-6
    )


def test_smoothing_spreads_over_the_choices_there_are() -> None:
    task = MultipleChoice(label_smoothing=0.3)
    logits = torch.tensor([[1.0, 2.0, torch.finfo(torch.float32).min]])
    batch = {"labels": torch.tensor([0]), "is_choice": torch.tensor([[True, True, False]])}
    expected = torch.nn.functional.cross_entropy(
        logits[:, :2], batch["labels"], label_smoothing=0.3, reduction="sum"
    )
    assert task.loss({"logits": logits}, batch).item() == pytest.approx(expected.item(), rel=1e-6)


# Predictions --------------------------------------------------------------------------------------


def answer(task: MultipleChoice, row: Any, best: int) -> dict[str, Any]:
    examples = examples_of(task, [row], labelled=False)
    features = task.encode(examples, word_pieces(), labelled=False).features
    logits = np.where(np.arange(5) == best, 2.0, 0.0)
    return task.predictions(examples, features, [{"logits": logits}])[0]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(TWO, 1, id="number"),
        pytest.param(RACE, "B", id="letter"),
        pytest.param(ARC, "2", id="key"),
        pytest.param({**RACE, "answer": "dry"}, "wet", id="text"),
    ],
)
def test_a_prediction_is_what_rows_call_the_choice(row: Any, expected: str | int) -> None:
    task = task_for([row])
    found = answer(task, row, 1)
    assert (found["prediction"], found["choice"]) == (expected, 1)
    # So it is where the row to predict has no answer.
    bare = {name: value for name, value in row.items() if not name.startswith(("answer", "label"))}
    assert answer(task, bare, 1) == found


def test_every_choice_has_its_probability() -> None:
    found = answer(task_for([THREE]), THREE, 2)
    assert found["choice_text"] == "上海"
    assert found["probabilities"] == pytest.approx([0.1065, 0.1065, 0.787], abs=1e-3)  # by hand
    assert sum(found["probabilities"]) == pytest.approx(1.0)


def test_accuracy() -> None:
    task = task_for([TWO, RACE])
    rows = examples_of(task, [TWO, RACE, RACE])
    said = [{"prediction": name} for name in (0, "B", "A")]
    [found] = task.measure(rows, said)
    assert found.values() == {task.main_metric: pytest.approx(2 / 3)}
    assert found.statistics[:, 0].tolist() == [1.0, 1.0, 0.0]


def test_the_baseline_is_the_most_frequent_place() -> None:
    task = task_for([TWO, THREE])
    train = examples_of(task, [THREE, THREE, TWO])
    found = task.baseline(train, examples_of(task, [TWO, THREE, RACE]))
    assert found.predictions == [0, 2, "A"]


def test_a_row_is_shown_with_its_choices() -> None:
    task = task_for([RACE])
    assert task.show(examples_of(task, [RACE])[0]) == [
        ("context", "It rained."), ("question", "How?"), ("choice A", "dry"),
        ("choice B (right)", "wet"),
    ]  # fmt: skip
