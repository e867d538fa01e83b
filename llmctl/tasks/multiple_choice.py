"""Multiple choice: which of several texts goes on best, or answers a question.

Each choice is a row of its own with the context before it, and one score; the softmax is over the
choices (Devlin et al. 2019, section 4.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from llmctl.metrics.base import Measured, Number
from llmctl.section import Names
from llmctl.tasks.base import Arrays, Baseline, Encoded, Example, Feature, Problem, Task
from llmctl.tasks.encoding import encode_texts
from llmctl.tasks.multiple_choice_rows import AnswerForm, ChoiceQuestion, Columns, choices_in
from llmctl.tasks.stacking import stacked
from llmctl.tasks.text_words import joined

if TYPE_CHECKING:
    import torch

_NOT_READ = ("labels", "is_choice")


class MultipleChoice(Task):
    """Settings of multiple choice."""

    name: Literal["multiple-choice"] = "multiple-choice"
    heads: ClassVar[tuple[str, ...]] = ("multiple-choice",)
    file_format: ClassVar[str | None] = "jsonl"
    problem_kinds: ClassVar[tuple[str, ...]] = ("same_choices",)
    main_metric: ClassVar[str] = "accuracy"
    fixed: ClassVar[frozenset[str]] = frozenset({"labels", "is_choice"})

    context: str | None = Field(
        None,
        description="Column of what is read first; none: `context`, `article` (RACE), `sent1` "
        "(SWAG), `passage`, `paragraph` or `premise` where rows have one",
    )
    question: str | None = Field(
        None,
        description="Column of what stands before each choice; none: `question`, `sent2` (SWAG), "
        "`query` or `question_stem` where rows have one",
    )
    choices: Names | None = Field(
        None,
        description="Column of the list of choices, or a column for each choice; none: `choices`, "
        "`options` (RACE), `endings`, or `ending0`, `ending1` (SWAG) and so on",
    )
    label: str | None = Field(
        None,
        description="Column of the answer: a number, a letter, a key or the text of a choice; "
        "none: `label`, `answer` or `answerKey`",
    )
    first_number: int = Field(
        0, ge=0, description="What the first choice is called where answers are numbers"
    )
    answer_form: AnswerForm | None = Field(
        None, description="Settled by the training rows: what choices are called in predictions"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target spread over all choices of its row"
    )

    def text_column(self) -> str | None:
        return self.context

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> ChoiceQuestion:
        """
        >>> row = {"question": "2 + 2?", "choices": ["3", "4"], "label": 1}
        >>> MultipleChoice().example(row).choices
        ('3', '4')
        """
        columns = Columns(self.context, self.question, self.choices, self.label)
        return choices_in(row, columns, self.first_number, labelled=labelled)

    def settle(self, examples: Sequence[Example]) -> Self:
        forms = Counter(one.content.form for one in examples if one.content.form is not None)
        form = forms.most_common(1)[0][0] if forms else None
        return self.model_copy(update={"answer_form": self.answer_form or form})

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        for number, example in enumerate(examples):
            choices = example.content.choices
            if len(set(choices)) < len(choices):
                twice = next(n for n, one in enumerate(choices) if one in choices[:n])
                first = choices.index(choices[twice]) + 1
                yield Problem(
                    "same_choices", number, f"choices {first} and {twice + 1} are the same"
                )

    def identity(self, example: Example) -> str:
        content: ChoiceQuestion = example.content
        return "\n".join((content.context or "", content.question or "", *content.choices))

    def show(self, example: Example) -> list[tuple[str, str]]:
        content: ChoiceQuestion = example.content
        shown = [("context", content.context or ""), ("question", content.question or "")]
        choices = [
            (f"choice {name}" + (" (right)" if number == content.answer else ""), text)
            for number, (name, text) in enumerate(zip(content.names, content.choices, strict=True))
        ]
        return [pair for pair in shown if pair[1]] + choices

    # Features ---------------------------------------------------------------------------------

    def model_options(self) -> dict[str, Any]:
        return {"num_labels": 1}

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        """A feature has a row for each choice, [C, L], with the largest C of all examples. Choices
        that an example does not have are one token, and `is_choice` [C] leaves them out."""
        assert self.max_length is not None
        pairs = [_texts_of(one.content, choice) for one in examples for choice in
                 range(len(one.content.choices))]  # fmt: skip
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        rows, cut = encode_texts(tokenizer, firsts, seconds, self.max_length)
        width = max((len(one.content.choices) for one in examples), default=0)
        fill = self.padding(tokenizer)
        features, truncated, start = [], 0, 0
        for number, example in enumerate(examples):
            end = start + len(example.content.choices)
            arrays = _stacked_rows(rows[start:end], width, fill)
            if labelled:
                arrays["labels"] = np.asarray(example.content.answer, dtype=np.int64)
            features.append(Feature((number,), arrays))
            truncated += any(cut[start:end])
            start = end
        return Encoded(features, truncated=truncated)

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Logits [B, C]; of choices that a row does not have, the lowest number there is."""
        import torch

        logits = model(**{name: array for name, array in batch.items() if name not in _NOT_READ})
        lowest = torch.finfo(torch.float32).min
        return {"logits": logits.float().masked_fill(~batch["is_choice"], lowest)}

    def loss(
        self, outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Cross-entropy over the choices, one target a row."""
        chances = outputs["logits"].log_softmax(-1)
        right = chances.gather(1, batch["labels"][:, None])[:, 0]
        if not self.label_smoothing:
            return -right.sum()[None]
        real = batch["is_choice"]
        mean = chances.masked_fill(~real, 0.0).sum(1) / real.sum(1)
        return -((1 - self.label_smoothing) * right + self.label_smoothing * mean).sum()[None]

    # Predictions ------------------------------------------------------------------------------

    def predictions(
        self,
        examples: Sequence[Example],
        features: Sequence[Feature],  # noqa: ARG002
        outputs: Sequence[Arrays],
    ) -> list[dict[str, Any]]:
        """`prediction`, as rows of its form call the choice; its `choice`, a number from 0, and
        `choice_text`; and `probabilities` in the order of the choices."""
        answers = []
        for example, found in zip(examples, outputs, strict=True):
            content: ChoiceQuestion = example.content
            logits = found["logits"][: len(content.choices)].astype(np.float64)
            chances = np.exp(logits - logits.max())
            chances /= chances.sum()
            best = int(chances.argmax())
            answers.append({
                "prediction": self._names(content)[best], "choice": best,
                "choice_text": content.choices[best], "probabilities": chances.tolist(),
            })  # fmt: skip
        return answers

    def _names(self, content: ChoiceQuestion) -> Sequence[str | int]:
        """What the choices are called: as their row does, else as training rows do."""
        form = content.form or self.answer_form
        if content.form is None and form == "letter":
            return [chr(ord("A") + number) for number in range(len(content.choices))]
        if content.form is None and form == "text":
            return content.choices
        return [int(name) for name in content.names] if form == "number" else content.names

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """Accuracy."""
        right = [
            str(said["prediction"]).strip() == one.content.names[one.content.answer]
            for one, said in zip(examples, predictions, strict=True)
        ]
        statistics = np.stack([np.array(right, dtype=np.float64), np.ones(len(right))], axis=1)
        return [
            Measured(
                (Number("accuracy", 0.0, 1.0),), statistics,
                from_sums=lambda sums: sums[..., :1] / sums[..., 1:], signature={"of": "choices"},
            )
        ]  # fmt: skip

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline:
        places = Counter(one.content.answer for one in train)
        predictions = []
        for example in examples:
            names = self._names(example.content)
            best = max(range(len(names)), key=lambda place: (places[place], -place))
            predictions.append(names[best])
        how = "the choice at the place where training rows have their answer most often"
        return Baseline("most frequent place", how, predictions)


def _texts_of(content: ChoiceQuestion, number: int) -> tuple[str, str]:
    """What is read first, and what second: the context, and the question with a choice.

    A blank `_` in the question is where the choice belongs (RACE).

    >>> _texts_of(ChoiceQuestion("It rained.", "It was _ .", ("wet",), ("0",), None, 0), 0)
    ('It rained.', 'It was wet .')
    """
    choice = content.choices[number]
    if content.context is None:
        return content.question or "", choice
    if content.question is None:
        return content.context, choice
    if " _ " in f" {content.question} ":
        return content.context, f" {content.question} ".replace(" _ ", f" {choice} ", 1).strip()
    return content.context, joined([content.question.strip(), choice.strip()])[0]


def _stacked_rows(rows: Sequence[Arrays], width: int, fill: Mapping[str, int]) -> Arrays:
    """Rows of choices [L] → arrays [C, L] with mask. A choice that is missing has one token, so
    that attention has something to look at."""
    missing = [{name: array[:1] for name, array in rows[0].items()}] * (width - len(rows))
    every = [*rows, *missing]
    arrays = {
        name: stacked([row[name] for row in every], fill.get(name, 0), fixed=False)
        for name in rows[0]
    }
    ones = [np.ones(len(row["input_ids"]), dtype=np.int64) for row in every]
    arrays["attention_mask"] = stacked(ones, 0, fixed=False)
    arrays["is_choice"] = np.arange(width) < len(rows)
    return arrays
