"""Texts in, texts out: what is read and learnt, cut and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_fakes import plain_tokenizer
from encoder_decoders import make_encoder_decoder

from llmctl.errors import UsageError
from llmctl.models.heads import wrap
from llmctl.tasks import TASKS
from llmctl.tasks.base import Example, Feature, RowRefused
from llmctl.tasks.batches import make_batch
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tasks.sequence_to_sequence import SequenceToSequence, TextPair

ROWS = [
    {"source": "The sea was calm", "target": "calm sea"},
    {"source": "the old captain told a story about white whales", "target": "a captain's story"},
    {"source": "床前明月光", "target": "月光"},
]


@pytest.fixture(scope="module", params=["t5", "bart"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder_decoder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_pretrained(folder).eval()


def for_model(task: SequenceToSequence, model: Any) -> SequenceToSequence:
    return task.for_model(ModelTraits(start_id=model.config.decoder_start_token_id))


def examples_of(task: SequenceToSequence, rows: Sequence[Mapping[str, Any]]) -> list[Example]:
    return [Example("rows.jsonl", n, row, task.example(row)) for n, row in enumerate(rows, 1)]


def losses_of(
    task: SequenceToSequence, model: Any, features: Sequence[Feature], tokenizer: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    batch = make_batch(features, task.padding(tokenizer), task.fixed)
    tensors = {name: torch.from_numpy(array) for name, array in batch.arrays.items()}
    outputs = task.outputs(model, tensors)
    assert int(outputs["targets"].sum()) == batch.num_targets[0]
    return task.loss(outputs, tensors), outputs


# The model ------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_loss_is_that_of_transformers(model: Any, tokenizer: Any) -> None:
    """Its own shift of the labels and its mean, each row alone; float32."""
    task = for_model(SequenceToSequence(max_length=40, prefix="do: "), model)
    features = task.encode(examples_of(task, ROWS), tokenizer, labelled=True).features

    found, _ = losses_of(task, wrap(model, "seq2seq"), features, tokenizer)

    expected = 0.0
    for row in ROWS:
        source = tokenizer("do: " + row["source"], return_tensors="pt")
        labels = tokenizer(text_target=row["target"], return_tensors="pt")["input_ids"]
        loss = model(
            input_ids=source["input_ids"], attention_mask=source["attention_mask"], labels=labels
        ).loss
        expected += float(loss) * labels.shape[1]
    assert found.item() == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_a_row_has_its_loss_in_any_batch(model: Any, tokenizer: Any) -> None:
    task = for_model(SequenceToSequence(max_length=40), model)
    features = task.encode(examples_of(task, ROWS), tokenizer, labelled=True).features
    wrapped = wrap(model, "seq2seq")

    _, together = losses_of(task, wrapped, features, tokenizer)
    alone = [losses_of(task, wrapped, [feature], tokenizer)[1]["losses"] for feature in features]

    assert len({len(feature) for feature in features}) > 1
    torch.testing.assert_close(together["losses"], torch.cat(alone), rtol=1e-5, atol=0)


@torch.no_grad()
def test_targets_are_smoothed_in_training_alone(model: Any, tokenizer: Any) -> None:
    """(1 - s) of the loss and s of the mean loss over the vocabulary (Szegedy et al. 2016)."""
    plain = for_model(SequenceToSequence(max_length=40), model)
    smoothed = for_model(SequenceToSequence(max_length=40, label_smoothing=0.1), model)
    features = plain.encode(examples_of(plain, ROWS[:1]), tokenizer, labelled=True).features
    wrapped = wrap(model, "seq2seq").eval()
    arrays = {name: torch.from_numpy(a)[None] for name, a in features[0].arrays.items()}
    logits = wrapped(arrays["input_ids"], arrays["decoder_input_ids"])
    uniform = -logits.log_softmax(-1).mean(-1).sum()
    before, _ = losses_of(plain, wrapped, features, tokenizer)

    held_out, _ = losses_of(smoothed, wrapped, features, tokenizer)
    trained, _ = losses_of(smoothed, wrapped.train(), features, tokenizer)  # without dropout
    wrapped.eval()

    assert held_out.item() == before.item()
    assert trained.item() == pytest.approx(0.9 * before.item() + 0.1 * uniform.item(), rel=1e-5)


# Tokens ---------------------------------------------------------------------------------------


def test_what_is_read_and_learnt_is_framed_as_the_family_has_it(model: Any, tokenizer: Any) -> None:
    task = for_model(SequenceToSequence(max_length=40, prefix="do: "), model)
    (example,) = examples_of(task, ROWS[:1])

    (feature,) = task.encode([example], tokenizer, labelled=True).features
    (asked,) = task.encode([example], tokenizer, labelled=False).features

    arrays = {name: array.tolist() for name, array in feature.arrays.items()}
    assert arrays["input_ids"] == tokenizer("do: The sea was calm")["input_ids"]
    assert arrays["input_ids"] == task.prompt(example, tokenizer)
    assert arrays["input_ids"] == asked.arrays["input_ids"].tolist()
    assert arrays["labels"] == tokenizer("calm sea")["input_ids"]
    start = model.config.decoder_start_token_id
    assert arrays["decoder_input_ids"] == [start, *arrays["labels"][:-1]]
    assert arrays["labels"][-1] == tokenizer.eos_token_id
    assert feature.num_targets == (len(arrays["labels"]),)


def test_a_long_source_keeps_its_end_token_and_a_long_target_has_none(
    model: Any, tokenizer: Any
) -> None:
    task = for_model(SequenceToSequence(max_source_length=6, max_target_length=4), model)

    encoded = task.encode(examples_of(task, ROWS[1:2]), tokenizer, labelled=True)

    (feature,) = encoded.features
    source, target = (feature.arrays[name].tolist() for name in ("input_ids", "labels"))
    assert source == [*tokenizer(ROWS[1]["source"])["input_ids"][:5], tokenizer.eos_token_id]
    assert target == tokenizer(ROWS[1]["target"])["input_ids"][:4]
    assert tokenizer.eos_token_id not in target
    assert (encoded.truncated, encoded.without_targets) == (1, 0)


def test_special_tokens_in_a_text_are_text(model: Any, tokenizer: Any) -> None:
    end = tokenizer.eos_token
    task = for_model(SequenceToSequence(max_length=60, end_words=[]), model)
    rows = [{"source": f"a {end} b", "target": f"c {end} d"}]

    (feature,) = task.encode(examples_of(task, rows), tokenizer, labelled=True).features

    for name in ("input_ids", "labels"):
        assert (feature.arrays[name] == tokenizer.eos_token_id).sum() == 1


def test_a_tokenizer_that_frames_nothing_gets_the_ends_of_t5(tokenizer_folder: Path) -> None:
    plain = plain_tokenizer(tokenizer_folder)
    task = SequenceToSequence(max_length=40).for_model(ModelTraits(start_id=3))

    (feature,) = task.encode(examples_of(task, ROWS[:1]), plain, labelled=True).features

    end = plain.eos_token_id
    assert feature.arrays["input_ids"].tolist() == [*plain(ROWS[0]["source"])["input_ids"], end]
    assert feature.arrays["labels"].tolist() == [*plain(ROWS[0]["target"])["input_ids"], end]


def test_a_decoder_that_starts_with_the_begin_token_does_not_learn_it(
    folder: Path, tokenizer: Any
) -> None:
    """As pairs of two BERTs: [CLS] is read first, and the targets follow at once."""
    if folder.name.startswith("t5"):
        pytest.skip("T5's tokenizer puts nothing before a text")
    task = SequenceToSequence(max_length=40).for_model(ModelTraits(start_id=tokenizer.bos_token_id))

    (feature,) = task.encode(examples_of(task, ROWS[:1]), tokenizer, labelled=True).features

    assert feature.arrays["decoder_input_ids"][0] == tokenizer.bos_token_id
    assert feature.arrays["labels"].tolist() == tokenizer("calm sea")["input_ids"][1:]


@pytest.mark.parametrize("start_token", ["pad", "eos"])
def test_a_fresh_decoder_starts_with_a_token_of_its_tokenizer(
    tokenizer: Any, start_token: Any
) -> None:
    task = SequenceToSequence(max_length=40).for_model(ModelTraits(start_token=start_token))

    settled = task.for_tokenizer(tokenizer)

    assert settled.start_id == getattr(tokenizer, f"{start_token}_token_id")
    assert settled.end_ids(tokenizer) == [tokenizer.eos_token_id]


def test_a_person_sees_what_is_trained_on(model: Any, tokenizer: Any) -> None:
    task = for_model(SequenceToSequence(max_length=40, prefix="do: "), model)
    (example,) = examples_of(task, [{"source": "a", "target": ["b", "c"]}])

    (feature,) = task.encode([example], tokenizer, labelled=True).features

    assert task.show(example) == [("reads", "do: a"), ("is trained on", "b"), ("also right", "c")]
    assert [title for title, _ in task.show_feature(feature, tokenizer.decode)] == [
        "reads", "is trained on",
    ]  # fmt: skip


# Rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "row", "content"),
    [
        (
            {},
            {"source": ["One.", "Two."], "target": ["A", "B"]},
            TextPair("One. Two.", ("One.", "Two."), ("A", "B")),
        ),
        (
            {"source": "translation.zh", "target": "translation.en"},
            {"translation": {"en": "sea", "zh": "海"}},
            TextPair("海", (), ("sea",)),
        ),
        ({"source": "1", "target": "2"}, {"1": "a", "2": "b", "3": "c"}, TextPair("a", (), ("b",))),
        ({}, {"source": "a", "target": "b<|endoftext|>"}, TextPair("a", (), ("b",))),
        ({}, {"source": "a", "target": 7}, TextPair("a", (), ("7",))),
        ({}, {"source": "a", "target": None}, TextPair("a", (), ("",))),
        ({}, {"source": "a", "target": ["", "b"]}, TextPair("a", (), ("b",))),
    ],
)
def test_rows_are_read_as_they_are(
    settings: dict[str, Any], row: dict[str, Any], content: TextPair
) -> None:
    assert SequenceToSequence(**settings).example(row) == content


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"source": "a"}, "column 'target' is missing"),
        ({"src": "a", "target": "b"}, "column 'source' is missing"),
        ({"source": " ", "target": "b"}, "column 'source' is empty"),
        ({"source": None, "target": "b"}, "column 'source' is empty"),
        ({"source": {"en": "a"}, "target": "b"}, "'source' holds an object; expected text"),
        ({"source": "a", "target": [["b"]]}, "'target' holds a list; expected text"),
        ({"source": "a", "target": []}, "'target' is an empty list"),
        ({"source": "a", "target": True}, "'target' holds true or false"),
    ],
)
def test_other_rows_are_refused_with_the_reason(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused, match=reason):
        SequenceToSequence().example(row)


def test_rows_without_targets_can_be_asked() -> None:
    task = SequenceToSequence(target="translation.zh")

    assert task.example({"source": "a"}, labelled=False) == TextPair("a", (), ())


def test_the_same_source_is_the_same_whatever_is_written() -> None:
    task = SequenceToSequence()
    one, other = examples_of(task, [ROWS[0], {**ROWS[0], "target": "other"}])

    assert task.identity(one) == task.identity(other)


def test_problems_are_found() -> None:
    task = SequenceToSequence()
    rows = [ROWS[0], {"source": "a", "target": " "}, ROWS[0], {**ROWS[0], "target": "other"}]

    found = [(problem.kind, problem.example) for problem in task.problems(examples_of(task, rows))]

    assert found == [("empty_answer", 1), ("duplicate", 2)]


def test_lengths_beyond_the_model_and_models_without_a_decoder_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="max_source_length is 1,024, and the model takes 40"):
        SequenceToSequence(max_source_length=1024).for_model(ModelTraits(longest_row=40))
    task = SequenceToSequence(max_length=40)
    with pytest.raises(UsageError, match="does not say what its decoder reads first"):
        task.encode(examples_of(task, ROWS), tokenizer, labelled=True)


# Measures and baselines -----------------------------------------------------------------------


def measured(task: SequenceToSequence, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    examples = examples_of(task, rows)
    answers = [{"prediction": "the sea is calm today"}] * len(rows)
    return {
        name: value
        for one in task.measure(examples, answers)
        for name, value in one.values().items()
    }


def test_metrics_go_by_kind_and_every_reference_judges() -> None:
    rows = [{"source": "a", "target": ["no", "the sea is calm today"]}]

    assert measured(SequenceToSequence(), rows)["exact_match"] == 1
    assert measured(SequenceToSequence(kind="summarization"), rows)["rouge_l"] == 100
    assert measured(SequenceToSequence(kind="translation"), rows) == {
        "bleu": pytest.approx(100), "chrf": pytest.approx(100)
    }  # fmt: skip
    assert measured(SequenceToSequence(metrics=["chrf"]), rows).keys() == {"chrf"}


def test_chinese_is_counted_by_its_characters() -> None:
    """今天天气好: 5 of the 6 characters, in order; 13a would see one word, and nothing shared."""
    task = SequenceToSequence(kind="translation")
    examples = examples_of(task, [{"source": "Fine weather.", "target": "今天天气很好"}])

    bleu, _ = task.measure(examples, [{"prediction": "今天天气好"}])
    rouge, *_ = task.model_copy(update={"kind": "summarization"}).measure(
        examples, [{"prediction": "今天天气好"}]
    )

    assert "zh" in str(bleu.signature)
    assert bleu.values()["bleu"] > 50  # type: ignore[operator]
    assert rouge.values()["rouge_1"] == pytest.approx(200 * 5 / 11)


def test_rows_without_references_are_not_measured() -> None:
    task = SequenceToSequence()
    example = Example("x", 1, {}, task.example({"source": "a"}, labelled=False))

    assert task.measure([example], [{"prediction": "b"}]) == []


def test_baselines_go_by_kind() -> None:
    rows = [
        {"source": ["One.", "Two.", "Three."], "target": "A bird. A cat."},
        {"source": "Dr. Smith left. He ran. Nobody\nsaw.", "target": "A cow."},
        {"source": "他说走吧。然后走了。没人看见。", "target": "A fox. A dog."},
    ]

    def baseline(**settings: Any) -> Any:
        task = SequenceToSequence(**settings)
        examples = examples_of(task, rows)
        return task.baseline(examples, examples)

    lead = baseline(kind="summarization", prefix="summarize: ")
    assert lead.name == "lead-2"  # summaries have 5/3 sentences
    assert lead.predictions == ["One. Two.", "Dr. Smith left. He ran.", "他说走吧。然后走了。"]
    copied = baseline(kind="translation", prefix="translate: ")
    assert copied.predictions[0] == "One. Two. Three."
    assert baseline().predictions == ["A bird. A cat."] * 3  # all are equally frequent: the first


def test_it_is_in_the_table() -> None:
    assert TASKS.get("sequence-to-sequence") is SequenceToSequence
