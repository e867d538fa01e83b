"""Causal tuning: what is trained on, packed or not, and what a model learns from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chat_fakes import chat_tokenizer, plain_tokenizer, sentencepiece_tokenizer, tiny_causal

from llmctl.errors import UsageError
from llmctl.models.heads import wrap
from llmctl.tasks import TASKS
from llmctl.tasks.base import Example, Feature, RowRefused
from llmctl.tasks.batches import make_batch
from llmctl.tasks.causal_tuning import CausalTuning
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tasks.token_losses import answer_perplexity

CHAT = [
    {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer},
                  {"role": "user", "content": "More?"}, {"role": "assistant", "content": "No."}]}
    for question, answer in (("The sea", "is calm."), ("天安门在哪？", "在北京。"), ("a", "b"))
]  # fmt: skip
ROWS = [
    *CHAT,
    {"prompt": "The captain ", "completion": "told a story"},
    {"instruction": "Add.", "input": "1 1", "output": "2"},
    {"question": "1 + 1?", "answer": "It is 2.\n#### 2"},
    {"text": "The sea was calm and the old captain told a story about white whales to his crew."},
]


@pytest.fixture(scope="module")
def chat(tokenizer_folder: Path) -> Any:
    return chat_tokenizer(tokenizer_folder)


@pytest.fixture(scope="module")
def plain(tokenizer_folder: Path) -> Any:
    return plain_tokenizer(tokenizer_folder)


def examples_of(task: CausalTuning, rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    return [Example("rows.jsonl", n, row, task.example(row)) for n, row in enumerate(rows, 1)]


def features_of(
    task: CausalTuning, rows: Sequence[Mapping[str, Any]], tokenizer: Any
) -> list[Feature]:
    return task.encode(examples_of(task, rows), tokenizer, labelled=True).features


def loss_of(task: CausalTuning, model: Any, features: Sequence[Feature], tokenizer: Any) -> Any:
    """The summed loss of a batch, and what `outputs` says of each row."""
    batch = make_batch(features, task.padding(tokenizer), task.fixed)
    tensors = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    outputs = task.outputs(model, tensors)
    assert int(outputs["targets"].sum()) == batch.num_targets[0]
    return task.loss(outputs, tensors), outputs


def by_hand(model: Any, tokenizer: Any, text: str, answers: Sequence[str]) -> float:
    """The loss of the answers in a whole text, by transformers' own labels."""
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, labels, start = torch.tensor([found["input_ids"]]), [], 0
    spans = []
    for answer in answers:
        start = text.index(answer, start)
        spans.append((start, start + len(answer)))
        start += len(answer)
    for token, (begin, end) in zip(found["input_ids"], found["offset_mapping"], strict=True):
        labels.append(token if any(a <= begin and end <= b for a, b in spans) else -100)
    mean = model(input_ids=ids, labels=torch.tensor([labels])).loss
    return float(mean) * sum(label != -100 for label in labels)


@torch.no_grad()
def test_the_loss_is_that_of_the_answers_and_their_ends(chat: Any) -> None:
    """Against transformers' loss with labels that were set by the characters' places; float32."""
    model = tiny_causal("llama", len(chat))
    task = CausalTuning(max_length=200)

    found, _ = loss_of(task, wrap(model, "causal"), features_of(task, CHAT[:1], chat), chat)

    text = chat.apply_chat_template(CHAT[0]["messages"], tokenize=False)
    expected = by_hand(model, chat, text, ["is calm.<|im_end|>", "No.<|im_end|>"])
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_packed_rows_have_the_loss_and_the_gradients_of_rows_alone(kind: str, chat: Any) -> None:
    """float32: rows of other lengths are summed in another order, 1e-5 of the value."""
    model = tiny_causal(kind, len(chat))
    wrapped = wrap(model, "causal")
    alone = CausalTuning(max_length=96, packing="off")
    packed = CausalTuning(max_length=96).for_model(ModelTraits(isolates=True))
    features = features_of(packed, ROWS, chat)

    first, _ = loss_of(alone, wrapped, features_of(alone, ROWS, chat), chat)
    first.sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    second, _ = loss_of(packed, wrapped, features, chat)
    second.sum().backward()

    assert packed.packing == "on"
    assert 1 < len(features) < len(ROWS)
    assert sorted(n for feature in features for n in feature.examples) == list(range(len(ROWS)))
    torch.testing.assert_close(second, first, rtol=1e-5, atol=0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        scale = gradient.abs().max().item()
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-4 * scale)


@torch.no_grad()
def test_a_row_has_its_loss_in_any_batch(chat: Any) -> None:
    """What `answer_perplexity` is given does not change with what a row is padded to."""
    wrapped = wrap(tiny_causal("gpt2", len(chat)), "causal")
    task = CausalTuning(max_length=96, packing="off")
    features = features_of(task, ROWS, chat)

    _, together = loss_of(task, wrapped, features, chat)
    alone = [loss_of(task, wrapped, [feature], chat)[1] for feature in features]

    torch.testing.assert_close(
        together["losses"], torch.cat([one["losses"] for one in alone]), rtol=1e-5, atol=0
    )
    rows = [{name: array[0] for name, array in one.items()} for one in alone]
    measured = answer_perplexity(rows).values()
    expected = float(together["losses"].sum() / together["targets"].sum())
    assert measured["loss"] == pytest.approx(expected, rel=1e-5)
    assert measured["perplexity"] == pytest.approx(np.exp(expected), rel=1e-4)


def test_the_end_is_learnt_where_padding_is_the_same_token(chat: Any) -> None:
    assert chat.pad_token_id == chat.eos_token_id
    task = CausalTuning(max_length=96)
    features = features_of(task, [CHAT[2], CHAT[0]], chat)

    batch = make_batch(features, task.padding(chat), task.fixed)

    ends = batch.arrays["labels"] == chat.eos_token_id
    assert ends.sum(1).tolist() == [2, 2]
    assert batch.num_targets == (int((batch.arrays["labels"] != -100).sum()),)


def test_a_model_learns_to_answer_and_to_stop(chat: Any) -> None:
    """A tiny model overfits three conversations, and generates them with their ends."""
    task = CausalTuning(max_length=96).for_model(ModelTraits(isolates=True))
    model = tiny_causal("llama", len(chat), seed=1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    wrapped = wrap(model.train(), "causal")
    examples = examples_of(task, CHAT)
    features = task.encode(examples, chat, labelled=True).features
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        loss, outputs = loss_of(task, wrapped, features, chat)
        (loss.sum() / outputs["targets"].sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()

    for example in examples:
        prompt = torch.tensor([task.prompt(example, chat)])
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False,
            eos_token_id=task.end_ids(chat), pad_token_id=0,
        )[0, prompt.shape[1] :]  # fmt: skip
        assert chat.decode(made) == example.content.answer + "<|im_end|>"


# What is trained on ---------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS[:-1])
@pytest.mark.parametrize("name", ["chat", "plain"])
def test_a_prompt_and_its_targets_are_the_row_that_is_learnt(
    row: dict[str, Any], name: str, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(name)
    task = CausalTuning(
        max_length=200, template="plain" if name == "plain" and "messages" in row else None
    )
    (example,) = examples_of(task, [row])

    (feature,) = task.encode([example], tokenizer, labelled=True).features
    (asked,) = task.encode([example], tokenizer, labelled=False).features
    prompt = task.prompt(example, tokenizer)

    whole = [*feature.arrays["input_ids"].tolist(), int(feature.arrays["labels"][-1])]
    answer = whole[len(prompt) :]
    assert whole[: len(prompt)] == prompt == asked.arrays["input_ids"].tolist()
    assert feature.arrays["labels"][-len(answer) :].tolist() == answer
    assert answer[-1] == tokenizer.eos_token_id
    text = tokenizer.decode(answer, skip_special_tokens=True)
    assert task.answer(example, text) == {"prediction": example.content.answer}


def test_templates_go_by_shape_and_tokenizer(chat: Any, plain: Any) -> None:
    task = CausalTuning(max_length=200)

    def text(row: Mapping[str, Any], tokenizer: Any) -> str:
        (feature,) = features_of(task, [row], tokenizer)
        return str(tokenizer.decode(feature.arrays["input_ids"]))

    assert text(ROWS[3], chat) == "The captain told a story"
    assert text(ROWS[4], chat).startswith("<|im_start|>user\nAdd.\n\n1 1<|im_end|>")
    assert "### Instruction:\nAdd.\n\n### Input:\n1 1" in text(ROWS[4], plain)
    assert text(ROWS[5], plain).startswith("User:\n1 + 1?\n\nAssistant:\nIt is 2.")
    with pytest.raises(UsageError, match="has no chat template"):
        text(ROWS[0], plain)


@pytest.mark.parametrize("name", ["plain", "alpaca", "joined"])
@pytest.mark.parametrize("begins", [False, True])
def test_the_template_that_is_saved_writes_what_was_learnt(
    plain: Any, name: str, begins: bool
) -> None:
    """For others who read the folder: transformers' own way to a prompt gives the ids learnt."""
    tokenizer = sentencepiece_tokenizer() if begins else plain
    task = CausalTuning(max_length=400, template=name)
    (example,) = examples_of(task, [{"prompt": "ab", "completion": "c"}])
    messages = [{"role": "user", "content": "ab"}]

    tokenizer.chat_template = task.template_to_save(tokenizer)
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    tokenizer.chat_template = None

    # SentencePiece's blank before a text is not written before one that begins with `<s>`.
    learnt = tokenizer.decode(task.prompt(example, tokenizer)).replace("<s> ", "<s>")
    assert tokenizer.decode(ids).replace("<s> ", "<s>") == learnt
    if not begins:
        assert ids == task.prompt(example, tokenizer)


def test_rows_of_any_shape_are_asked_in_the_template_that_was_learnt(plain: Any) -> None:
    task = CausalTuning(max_length=400)
    settled = task.settle(examples_of(task, [ROWS[4]])).for_tokenizer(plain)
    plain_again = settled.for_tokenizer(plain)

    (asked,) = examples_of(settled, [{"prompt": "Add.", "completion": "3"}])

    assert (settled.learnt_shape, settled.template) == ("instruction", "alpaca")
    assert plain_again == settled
    assert plain.decode(settled.prompt(asked, plain)).endswith("### Instruction:\nAdd.\n\n"
                                                               "### Response:\n")  # fmt: skip
    mixed = task.settle(examples_of(task, ROWS)).for_tokenizer(plain)
    assert (mixed.learnt_shape, mixed.template) == (None, None)


def test_the_own_template_needs_no_saving(chat: Any) -> None:
    task = CausalTuning().settle(examples_of(CausalTuning(), CHAT)).for_tokenizer(chat)

    assert task.template == "own"
    assert task.template_to_save(chat) is None
    assert task.end_ids(chat) == [chat.eos_token_id]


def test_the_same_question_is_the_same_whatever_is_answered() -> None:
    task = CausalTuning()
    one, other, third = examples_of(
        task, [{"prompt": "a", "completion": text} for text in ("b", "c")] + [{"text": "a"}]
    )

    assert task.identity(one) == task.identity(other) != task.identity(third)


def test_own_text_is_learnt_whole_in_rows_that_go_on(plain: Any) -> None:
    text = "".join(f"word {number} " for number in range(40))
    ids = [*plain(text)["input_ids"], plain.eos_token_id]
    task = CausalTuning(max_length=16)

    encoded = task.encode(examples_of(task, [{"text": text}]), plain, labelled=True)

    learnt = [token for feature in encoded.features for token in feature.arrays["labels"].tolist()]
    assert learnt == ids[1:]
    assert (encoded.truncated, encoded.without_targets) == (0, 0)
    assert max(len(feature) for feature in encoded.features) == 16


def test_rows_that_are_cut_and_rows_without_targets_are_counted(plain: Any) -> None:
    task = CausalTuning(max_length=12)
    rows = [
        {"prompt": "a", "completion": "b"},
        {"prompt": "a", "completion": "The captain told a story about whales. " * 3},
        {"prompt": "The captain told a story about whales. " * 3, "completion": "b"},
    ]

    first = task.encode(examples_of(task, rows), plain, labelled=True)
    last = CausalTuning(max_length=12, keep="last").encode(
        examples_of(task, rows), plain, labelled=True
    )

    assert (first.truncated, first.without_targets) == (2, 1)
    assert [feature.examples for feature in first.features] == [(0,), (1,)]
    assert (last.truncated, last.without_targets) == (2, 0)
    assert all(feature.num_targets[0] > 0 for feature in [*first.features, *last.features])
    assert plain.eos_token_id not in first.features[1].arrays["labels"]


def test_further_instances_of_a_row_are_learnt_too(plain: Any) -> None:
    row = {"instruction": "Add.", "instances": [{"input": "1", "output": "x"},
                                                {"input": "2", "output": "y"}]}  # fmt: skip

    (feature,) = features_of(CausalTuning(max_length=800, packing="on"), [row], plain)

    assert feature.examples == (0,)
    assert plain.decode(feature.arrays["labels"]) == "x<|endoftext|>y<|endoftext|>"


def test_a_person_sees_what_is_trained_on(chat: Any) -> None:
    task = CausalTuning(max_length=96, packing="on")
    features = features_of(task, [CHAT[2], ROWS[3]], chat)

    shown = task.show_feature(features[0], chat.decode)

    assert shown == [
        ("reads (piece 1 of 2)", "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
         "⟦b<|im_end|>⟧\n<|im_start|>user\nMore?<|im_end|>\n<|im_start|>assistant\n⟦No.<|im_end|>⟧"),
        ("is trained on (piece 1 of 2)", "b<|im_end|>\nNo.<|im_end|>"),
        ("reads (piece 2 of 2)", "The captain ⟦told a story<|im_end|>⟧"),
        ("is trained on (piece 2 of 2)", "told a story<|im_end|>"),
    ]  # fmt: skip
    (example,) = examples_of(task, [CHAT[2]])
    assert [title for title, _ in task.show(example)] == [
        "user", "assistant, is trained on", "user", "assistant, is trained on",
    ]  # fmt: skip


# Rows and settings ----------------------------------------------------------------------------


def test_columns_of_other_names_are_read() -> None:
    task = CausalTuning(columns={"prompt": "1", "completion": "2"})

    content = task.example({"1": "a", "2": "b"})

    assert [turn.text for turn in content.turns] == ["a", "b"]  # type: ignore[union-attr]
    assert task.text_column() == "1"
    with pytest.raises(RowRefused, match="column '2' is missing"):
        task.example({"1": "a"})


def test_end_tokens_that_a_file_writes_out_are_cut(plain: Any) -> None:
    task = CausalTuning(max_length=32)

    (feature,) = features_of(task, [{"prompt": "a", "completion": "b<|endoftext|>\n"}], plain)

    assert feature.arrays["labels"].tolist() == [*plain("b")["input_ids"], plain.eos_token_id]


def test_packing_goes_by_the_model() -> None:
    assert CausalTuning().for_model(ModelTraits(isolates=False)).packing == "off"
    assert CausalTuning(packing="off").for_model(ModelTraits(isolates=True)).packing == "off"
    with pytest.raises(UsageError, match="cannot be packed"):
        CausalTuning(packing="on").for_model(ModelTraits(isolates=False))


def test_problems_are_found() -> None:
    task = CausalTuning()
    examples = examples_of(task, [*CHAT, CHAT[0], {"prompt": "a", "completion": " "}])

    found = [(problem.kind, problem.example) for problem in task.problems(examples)]

    assert found == [("duplicate", 3), ("empty_answer", 4)]
    assert {kind for kind, _ in found} == set(task.problem_kinds)


def test_answers_of_gsm8k_are_compared_by_their_number() -> None:
    rows = [{"question": f"{n}?", "answer": f"Think.\n#### {n}"} for n in (1200, 3, 3)]
    task = CausalTuning()
    examples = examples_of(task, rows)
    settled = task.settle(examples)

    (measured,) = settled.measure(
        examples, [{"prediction": text} for text in ("#### 1,200", "It is 3", "x #### 3.0")]
    )
    baseline = settled.baseline(examples, examples)

    assert (settled.extract, settled.metrics) == ("gsm8k", ["exact_match"])
    assert measured.values() == {"exact_match": pytest.approx(2 / 3)}
    assert baseline is not None
    assert baseline.predictions == ["Think.\n#### 3"] * 3


def test_other_answers_are_measured_only_where_asked() -> None:
    examples = examples_of(CausalTuning(), CHAT)
    predictions = [{"prediction": "No."}, {"prediction": "Yes."}, {"prediction": "No."}]

    assert CausalTuning().settle(examples).measure(examples, predictions) == []
    assert CausalTuning().baseline(examples, examples) is None
    (measured,) = CausalTuning(metrics=["exact_match"]).measure(examples, predictions)
    assert measured.values() == {"exact_match": pytest.approx(2 / 3)}


def test_it_is_in_the_table() -> None:
    assert TASKS.get("causal-tuning") is CausalTuning
