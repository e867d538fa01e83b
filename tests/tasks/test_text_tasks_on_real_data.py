"""Real files of every shape as they are: every row is an example, and its answers are learnt."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from shared_data import shared

from llmctl.tasks.base import Example, Task
from llmctl.tasks.causal_tuning import CausalTuning
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tasks.sequence_to_sequence import SequenceToSequence
from llmctl.tokenization.load import load_tokenizer

_ROWS = 50


def rows_of(path: Path) -> Iterator[Mapping[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    if path.suffix == ".json":
        yield from json.loads(text)
        return
    for line in text.rstrip("\n").split("\n"):
        if path.suffix == ".tsv":
            yield {str(number): field for number, field in enumerate(line.split("\t"), 1)}
        else:
            yield json.loads(line)


def examples_of(task: Task, name: str) -> list[Example]:
    found = []
    for number, row in enumerate(rows_of(shared(name)), 1):
        found.append(Example(name, number, row, task.example(row)))
        if number == _ROWS:
            break
    return found


@pytest.fixture(scope="module")
def smollm() -> Any:
    return load_tokenizer(str(shared("tokenizers/smollm2-135m-instruct")))


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return load_tokenizer(str(shared("tokenizers/gpt2")))


@pytest.mark.parametrize(
    "name",
    [
        "crosswoz-chat/dev.jsonl",
        "gsm8k/dev.jsonl",
        "self-instruct-seed/seed_tasks.jsonl",
        "dolly-sample/dolly.json",
        "identity-alpaca/identity.json",
        "transformers-fixtures/sft_chat/chat.jsonl",
        "t0-prompted/common_gen_Put_together.jsonl.gz",
    ],
)
def test_the_answers_of_a_chat_model_are_learnt_and_nothing_else(name: str, smollm: Any) -> None:
    task = CausalTuning(max_length=4096)
    examples = examples_of(task, name)
    task = task.settle(examples).for_model(ModelTraits(isolates=False)).for_tokenizer(smollm)

    encoded = task.encode(examples, smollm, labelled=True)

    assert (encoded.truncated, encoded.without_targets) == (0, 0)
    assert [feature.examples for feature in encoded.features] == [
        (number,) for number in range(len(examples))
    ]
    for example, feature in zip(examples, encoded.features, strict=True):
        answers = example.content.learnt
        assert smollm.decode(feature.arrays["labels"]) == "".join(
            f"{answer}<|im_end|>" for answer in answers
        )
        prompt = task.prompt(example, smollm)
        assert feature.arrays["input_ids"][: len(prompt)].tolist() == prompt


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("scitldr/dev.jsonl.gz", {"kind": "summarization", "prefix": "summarize: "}),
        ("pep-abstracts/dev.jsonl.gz", {"source": "document", "target": "summary"}),
        ("crosswoz-summary/dev.jsonl", {"source": "dialogue", "target": "summary"}),
        ("tatoeba-en-zh/dev.tsv", {"source": "2", "target": "1"}),
        ("pydocs-en-zh/dev.jsonl", {"source": "translation.zh", "target": "translation.en"}),
        (
            "t0-prompted/quartz_answer_question_based_on.jsonl.gz",
            {"source": "prompt", "target": "completion"},
        ),
    ],
)
def test_every_target_is_learnt_up_to_its_end(
    name: str, settings: dict[str, Any], gpt2: Any
) -> None:
    """With GPT-2's tokenizer, which can write any text back."""
    task = SequenceToSequence(**settings, max_length=20_000).for_model(ModelTraits(start_id=0))
    examples = examples_of(task, name)

    encoded = task.encode(examples, gpt2, labelled=True)

    assert (encoded.truncated, encoded.without_targets) == (0, 0)
    for example, feature in zip(examples, encoded.features, strict=True):
        target = gpt2.decode(feature.arrays["labels"])
        source = gpt2.decode(feature.arrays["input_ids"])
        assert target == example.content.targets[0] + "<|endoftext|>"
        assert source == task.prefix + example.content.source + "<|endoftext|>"
