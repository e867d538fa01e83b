"""Finetuning of decoder-only models: on own text, on prompts with completions, on instructions, and
on conversations.

Of own text every token is learnt; of anything else the answers alone, each with the token that ends
it (Ouyang et al. 2022, section 3.4; Taori et al. 2023, whose loss is on the response).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from llmctl.errors import UsageError
from llmctl.metrics.base import Measured
from llmctl.section import Names
from llmctl.tasks.base import Baseline, Decode, Encoded, Example, Feature, Problem, Task
from llmctl.tasks.chat_rows import Answers, ChatWriter, Keep, chat_target_rows
from llmctl.tasks.chat_templates import OWN, find_template, has_own_template
from llmctl.tasks.columns import value_in
from llmctl.tasks.model_traits import ModelTraits
from llmctl.tasks.target_rows import features_of, marked_text, text_rows
from llmctl.tasks.text_answers import END_WORDS, answer_problems, measure_texts, most_frequent
from llmctl.tasks.text_ids import end_id, frame_of, plain_ids
from llmctl.tasks.token_losses import NO_TARGET, losses_by_row
from llmctl.tasks.turns import Conversation, OwnText, Shape, content_of, shape_of

if TYPE_CHECKING:
    import torch

_TEMPLATE_WITHOUT_OWN: Mapping[Shape, str] = {
    "instruction": "alpaca", "instances": "alpaca", "question": "plain",
}  # fmt: skip
_GSM8K = "####"


class CausalTuning(Task):
    """Settings of finetuning a causal model."""

    name: Literal["causal-tuning"] = "causal-tuning"
    heads: ClassVar[tuple[str, ...]] = ("causal",)
    problem_kinds: ClassVar[tuple[str, ...]] = ("empty_answer", "duplicate")
    generates: ClassVar[bool] = True
    main_metric: ClassVar[str] = "loss"

    shape: Shape | None = Field(
        None,
        description="What rows are: text, prompt (and completion), instruction (Alpaca, dolly), "
        "instances (self-instruct), question (and answer), messages, conversations (ShareGPT). "
        "None: as each row's columns show",
    )
    columns: dict[str, str] = Field(
        {},
        description="Columns that have other names, by their usual one: {completion: reply}; "
        "numbers where there is no header",
    )
    template: str | None = Field(
        None,
        description="How conversations are written: own (the tokenizer's), chatml, llama-2, "
        "alpaca, plain, joined (one text after the other), or a file of Jinja. None: joined for "
        "prompts; else own, or where the tokenizer has none, alpaca for instructions and plain for "
        "questions",
    )
    system: str | None = Field(
        None, min_length=1, description="System prompt of conversations that have none"
    )
    answers: Answers = Field(
        "all", description="Which answers of a conversation are learnt: all, or the last"
    )
    keep: Keep = Field(
        "first",
        description="What is kept of a conversation that is too long: its first turns or its last "
        "ones; of a single prompt, its start or its end",
    )
    end_words: Names = Field(
        list(END_WORDS),
        description="What is cut from the end of answers: names of end tokens that older files "
        "write out; the task puts the model's own",
    )
    packing: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Several rows in one of max_length tokens, none of which sees another; auto: "
        "where the model keeps them apart",
    )
    metrics: Names | None = Field(
        None,
        description="What generated answers are measured by (see `llmctl score`); none: "
        "exact_match where answers hold `#### N`, as GSM8K's do, else the loss alone",
    )
    extract: str | None = Field(
        None,
        description="What exact_match compares: gsm8k, number, or a regular expression; none: "
        "gsm8k where answers hold `####`, else all of it",
    )

    learnt_shape: Shape | None = Field(
        None, description="Settled by the training rows: their shape, where all have the same one"
    )

    def text_column(self) -> str | None:
        return next((name for name in self.columns.values() if name.isdecimal()), None)

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> Conversation | OwnText:
        """
        >>> CausalTuning().example({"question": "1 + 1?", "answer": "#### 2"}).answer
        '#### 2'
        """
        if self.columns:
            known = {usual: value_in(row, name) for usual, name in self.columns.items()}
            row = {**row, **known}
        shape = self.shape or shape_of(row, labelled=labelled)
        content = content_of(row, shape, labelled=labelled, system=self.system)
        return (
            content.without_ends(self.end_words) if isinstance(content, Conversation) else content
        )

    def settle(self, examples: Sequence[Example]) -> Self:
        told = [one.content for one in examples if isinstance(one.content, Conversation)]
        if not told:
            return self
        found: dict[str, Any] = {}
        if len({content.shape for content in told}) == 1:
            found["learnt_shape"] = told[0].shape
        if self.extract is None and all(_GSM8K in (content.answer or "") for content in told):
            found |= {"extract": "gsm8k", "metrics": self.metrics or ["exact_match"]}
        return self.model_copy(update=found)

    def for_model(self, traits: ModelTraits) -> Self:
        if self.packing == "on" and not traits.isolates:
            raise UsageError(
                "the model does not keep several pieces in one row apart, so rows cannot be packed",
                hint="task.packing=auto",
            )
        if self.packing != "auto":
            return self
        return self.model_copy(update={"packing": "on" if traits.isolates else "off"})

    def for_tokenizer(self, tokenizer: Any) -> Self:
        if self.template is not None or self.learnt_shape is None:
            return self
        name = self._template_name(self.learnt_shape, tokenizer)
        return self.model_copy(update={"template": name})

    def identity(self, example: Example) -> str:
        content = example.content
        return repr(content.asked if isinstance(content, Conversation) else content.text)

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        contents = [one.content for one in examples]
        return answer_problems(contents, [content.learnt for content in contents])

    def show(self, example: Example) -> list[tuple[str, str]]:
        content = example.content
        if isinstance(content, OwnText):
            return [("text, is trained on", content.text)]
        last = len(content.turns) - 1
        return [
            (f"{turn.role}, is trained on" if turn.role == "assistant"
             and (self.answers == "all" or number == last) else turn.role, turn.text)
            for number, turn in enumerate(content.turns)
        ]  # fmt: skip

    def show_feature(self, feature: Feature, decode: Decode) -> list[tuple[str, str]]:
        return marked_text(feature, decode)

    # Features ---------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        """
        Raises:
            UsageError: there is no template for the rows, or it cannot be learnt from.
        """
        assert self.max_length is not None
        if not labelled:
            prompts = self._prompts(examples, tokenizer)
            return Encoded(
                [Feature((number,), {"input_ids": np.asarray(ids)}, (0,))
                 for number, ids in enumerate(prompts)]
            )  # fmt: skip
        texts = {n: one.content.text for n, one in enumerate(examples) if _is_text(one)}
        conversations = {n: one.content for n, one in enumerate(examples) if not _is_text(one)}
        rows, cut, without = chat_target_rows(
            conversations, lambda shape: self._writer(shape, tokenizer), self.max_length, self.keep
        )
        rows += text_rows(texts, tokenizer, self.max_length)
        rows.sort(key=lambda row: row.example)
        pack_to = self.max_length if self.packing == "on" else None
        return Encoded(features_of(rows, pack_to=pack_to), cut, without)

    def _writer(self, shape: Shape, tokenizer: Any) -> ChatWriter:
        return ChatWriter(
            tokenizer, find_template(self._template_name(shape, tokenizer), tokenizer), self.answers
        )

    def _template_name(self, shape: Shape, tokenizer: Any) -> str:
        if self.template is not None:
            return self.template
        shape = self.learnt_shape or shape
        if shape == "prompt":
            return "joined"
        return OWN if has_own_template(tokenizer) else _TEMPLATE_WITHOUT_OWN.get(shape, OWN)

    def padding(self, tokenizer: Any) -> dict[str, int]:
        return {"input_ids": tokenizer.pad_token_id or 0, "labels": NO_TARGET, "pieces": -1}

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Two numbers a row: the summed loss of its targets, and how many they are."""
        pieces = {"pieces": batch["pieces"]} if "pieces" in batch else {}
        logits = model(batch["input_ids"], positions=batch["positions"], **pieces)
        return losses_by_row(logits, batch["labels"], training=model.training)

    def loss(
        self,
        outputs: dict[str, torch.Tensor],
        batch: dict[str, torch.Tensor],  # noqa: ARG002
    ) -> torch.Tensor:
        """Cross-entropy of the answers' tokens in nats."""
        return outputs["losses"].sum()[None]

    # Answers ----------------------------------------------------------------------------------

    def prompt(self, example: Example, tokenizer: Any) -> list[int]:
        """What stands before the last answer, as it stood in training."""
        return self._prompts([example], tokenizer)[0]

    def _prompts(self, examples: Sequence[Example], tokenizer: Any) -> list[list[int]]:
        writers: dict[Shape, ChatWriter] = {}
        found = []
        for example in examples:
            content = example.content
            if isinstance(content, OwnText):
                found.append([*frame_of(tokenizer)[0], *plain_ids(tokenizer, [content.text])[0]])
                continue
            if content.shape not in writers:
                writers[content.shape] = self._writer(content.shape, tokenizer)
            found += writers[content.shape].prompts([content.asked])
        return found

    def answer(self, example: Example, text: str) -> dict[str, Any]:  # noqa: ARG002
        return {"prediction": text.strip()}

    def end_ids(self, tokenizer: Any) -> list[int]:
        """The tokens at which generation stops: those that end an answer in training."""
        name = self.template or (OWN if has_own_template(tokenizer) else None)
        if name is None:
            return [end_id(tokenizer)]
        return ChatWriter(tokenizer, find_template(name, tokenizer)).end_ids()

    def template_to_save(self, tokenizer: Any) -> str | None:
        """The chat template that the model has learnt, for the folder it is saved to; None where
        the tokenizer has it already, or where rows were written in several."""
        if self.template in (None, OWN):
            return None
        return find_template(self.template, tokenizer).to_save(tokenizer)

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """By `metrics`, against the last answer of each row; perplexity is `answer_perplexity`."""
        pairs = [
            (one["prediction"], example.content.answer)
            for example, one in zip(examples, predictions, strict=True)
            if isinstance(example.content, Conversation) and example.content.answer is not None
        ]
        given = {"exact_match": {"extract": self.extract}}
        return measure_texts(
            self.metrics or [], [p for p, _ in pairs], [r for _, r in pairs], given
        )

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline | None:
        """The most frequent training answer, where answers are measured at all."""
        answers = [
            one.content.answer for one in train
            if isinstance(one.content, Conversation) and one.content.answer is not None
        ]  # fmt: skip
        if not (self.metrics and answers):
            return None
        return most_frequent(answers, len(examples), self.extract)


def _is_text(example: Example) -> bool:
    return isinstance(example.content, OwnText)
