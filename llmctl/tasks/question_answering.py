"""Extractive question answering: the piece of a context that answers a question, or none.

Two scores a token, of an answer's beginning and end (Devlin et al. 2019, sections 4.2 and 4.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from llmctl.errors import DataError
from llmctl.metrics.base import Measured
from llmctl.tasks.base import Arrays, Baseline, Decode, Encoded, Example, Feature, Problem, Task
from llmctl.tasks.question_answering_rows import Question, places_of, question_in
from llmctl.tasks.text_words import is_wide, word_offsets

if TYPE_CHECKING:
    import torch

_TARGETS = ("start_positions", "end_positions")
_USUAL_LONGEST = 30
_LANGUAGE_SAMPLE = 1000


class ExtractiveQA(Task):
    """Settings of extractive question answering."""

    name: Literal["question-answering"] = "question-answering"
    heads: ClassVar[tuple[str, ...]] = ("question-answering",)
    file_format: ClassVar[str | None] = "squad"
    usual_length: ClassVar[int] = 384
    problem_kinds: ClassVar[tuple[str, ...]] = (
        "answer_offset", "answer_missing", "some_answers_missing", "long_answer",
    )  # fmt: skip

    question: str = Field("question", description="Column of the question")
    context: str = Field("context", description="Column of the text that holds the answer")
    answers: str = Field(
        "answers", description="Column of the right answers and of where they begin"
    )
    stride: int = Field(
        128, ge=0, description="Tokens that the windows of a context longer than max_length share"
    )
    max_question_length: int = Field(
        64, ge=1, description="Tokens of a question at most; half of max_length where that is less"
    )
    max_answer_length: int | None = Field(
        None,
        ge=1,
        description="Words of an answer at most; a Chinese character is one. None: 30, or as many "
        "as 99 % of the training answers have where those are longer",
    )
    no_answer: bool | None = Field(
        None,
        description="Whether the model may say that there is no answer; none: where training rows "
        "have none",
    )
    no_answer_threshold: float = Field(
        0.0,
        description="How far the logit of 'no answer' must lie above that of the best answer",
    )
    n_best: int = Field(5, ge=1, le=20, description="Answers that a prediction names")
    normalizer: Literal["auto", "squad", "cmrc"] = Field(
        "auto",
        description="Rules by which answers are compared: SQuAD's, by words; CMRC's, by Chinese "
        "characters; auto: by the language of the training rows",
    )

    @property
    def main_metric(self) -> str:  # type: ignore[override]
        return "cmrc_f1" if self.normalizer == "cmrc" and not self.no_answer else "squad_f1"

    def text_column(self) -> str | None:
        return self.context

    # Rows -------------------------------------------------------------------------------------

    def example(self, row: Mapping[str, Any], *, labelled: bool = True) -> Question:
        """
        >>> row = {"question": "Where?", "context": "In Oslo.",
        ...        "answers": {"text": ["Oslo"], "answer_start": [3]}}
        >>> ExtractiveQA().example(row).answers
        (Answer(text='Oslo', start=3),)
        """
        return question_in(row, self.question, self.context, self.answers, labelled=labelled)

    def settle(self, examples: Sequence[Example]) -> Self:
        questions: list[Question] = [one.content for one in examples]
        words = [
            len(word_offsets(answer.text))
            for one in questions
            for answer in (one.answers or ())[:1]
        ]
        if not words:
            raise DataError(
                f"no row of the training data has an answer in column {self.answers!r}",
                hint="task.answers=COLUMN names another column",
            )
        normalizer = self.normalizer
        if normalizer == "auto":
            normalizer = "cmrc" if _are_chinese(questions[:_LANGUAGE_SAMPLE]) else "squad"
        no_answer = self.no_answer
        if no_answer is None:
            no_answer = any(not one.answers for one in questions)
        most = int(np.quantile(words, 0.99, method="higher"))
        longest = self.max_answer_length or max(_USUAL_LONGEST, most)
        settled = {
            "normalizer": normalizer, "no_answer": no_answer, "max_answer_length": longest,
        }  # fmt: skip
        return self.model_copy(update=settled)

    def problems(self, examples: Sequence[Example]) -> Iterator[Problem]:
        yield from places_of(examples)
        longest = self.max_answer_length or _USUAL_LONGEST
        for number, example in enumerate(examples):
            target = example.content.target
            words = 0 if target is None else len(word_offsets(target.text))
            if words > longest:
                text = f"the answer has {words} words; predicted are {longest} at most"
                yield Problem("long_answer", number, text)

    def identity(self, example: Example) -> str:
        return f"{example.content.context}\n{example.content.question}"

    def show(self, example: Example) -> list[tuple[str, str]]:
        content: Question = example.content
        shown = [("context", content.context), ("question", content.question)]
        if content.answers is None:
            return shown
        answers = [f"{one.text} (at {one.start})" for one in content.answers]
        return [*shown, ("answers", "; ".join(answers) or "none")]

    def show_feature(self, feature: Feature, decode: Decode) -> list[tuple[str, str]]:
        shown = super().show_feature(feature, decode)
        if _TARGETS[0] not in feature.arrays:
            return shown
        start, end = (int(feature.arrays[name]) for name in _TARGETS)
        if start < 0:
            return [*shown, ("target", "none: its answer has no place")]
        if start == feature.details.nothing:
            return [*shown, ("target", "no answer in this window")]
        return [*shown, ("target", decode(feature.arrays["input_ids"][start : end + 1].tolist()))]

    # Features ---------------------------------------------------------------------------------

    def model_options(self) -> dict[str, Any]:
        return {"num_labels": 2}

    def encode(self, examples: Sequence[Example], tokenizer: Any, *, labelled: bool) -> Encoded:
        from llmctl.tasks.question_answering_features import encode_questions

        assert self.max_length is not None
        return encode_questions(
            [one.content for one in examples], tokenizer, self.max_length,
            self.max_question_length, self.stride, labelled=labelled,
        )  # fmt: skip

    # The model --------------------------------------------------------------------------------

    def outputs(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Logits [B, L] of an answer's first and of its last token."""
        logits = model(**{name: array for name, array in batch.items() if name not in _TARGETS})
        start, end = logits.unbind(-1)
        return {"start": start, "end": end}

    def loss(
        self, outputs: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """The mean of the cross-entropies of first and last token; one target a window. Padding is
        no place: it takes no share of the probability."""
        import torch

        losses = []
        padding = batch["attention_mask"] == 0
        for name, target in zip(("start", "end"), _TARGETS, strict=True):
            logits = outputs[name].float().masked_fill(padding, torch.finfo(torch.float32).min)
            losses.append(
                torch.nn.functional.cross_entropy(
                    logits, batch[target], ignore_index=-100, reduction="sum"
                )
            )
        return (sum(losses[1:], losses[0]) / 2)[None]

    # Predictions ------------------------------------------------------------------------------

    def predictions(
        self, examples: Sequence[Example], features: Sequence[Feature], outputs: Sequence[Arrays]
    ) -> list[dict[str, Any]]:
        """See `llmctl.tasks.question_answering_spans.answer_of`; with the row's `id`."""
        from llmctl.tasks.question_answering_spans import Span, answer_of, best_spans, merged

        longest = self.max_answer_length or _USUAL_LONGEST
        spans: list[list[Span]] = [[] for _ in examples]
        nothing = [float("inf")] * len(examples)
        for feature, found in zip(features, outputs, strict=True):
            [number] = feature.examples
            start, end, places = found["start"], found["end"], feature.details
            spans[number] += best_spans(start, end, places, longest, 20)
            alone = float(start[places.nothing]) + float(end[places.nothing])
            nothing[number] = min(nothing[number], alone)
        answers = []
        for example, own, none in zip(examples, spans, nothing, strict=True):
            answer = answer_of(
                example.content.context, merged(own), none if self.no_answer else None,
                self.no_answer_threshold, self.n_best,
            )  # fmt: skip
            name = example.content.id
            answers.append(answer if name is None else {"id": name, **answer})
        return answers

    def measure(
        self, examples: Sequence[Example], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Measured]:
        """SQuAD v1 or v2, or CMRC 2018 with SQuAD v1 beside it."""
        from llmctl.metrics.cmrc import cmrc
        from llmctl.metrics.squad import squad

        said = [one["prediction"] for one in predictions]
        right = [[answer.text for answer in one.content.answers or ()] for one in examples]
        if self.no_answer:
            return [self._second_version(said, right, predictions)]
        found = [squad(said, right, version="v1" if all(right) else "v2")]
        if self.normalizer == "cmrc":  # whose rules know no question without an answer
            return [cmrc(said, [texts or [""] for texts in right]), *found]
        return found

    def _second_version(
        self,
        said: list[str],
        right: list[list[str]],
        predictions: Sequence[Mapping[str, Any]],
    ) -> Measured:
        """SQuAD v2, of Chinese by characters; with the threshold that would have been best."""
        from llmctl.metrics.cmrc import segments
        from llmctl.metrics.squad import best_no_answer_threshold, squad

        best = [one.get("best_answer", one["prediction"]) for one in predictions]
        if self.normalizer == "cmrc":
            said, best = ([" ".join(segments(text)) for text in texts] for texts in (said, best))
            right = [[" ".join(segments(text)) for text in texts] for texts in right]
        measured = squad(said, right, version="v2")
        if self.normalizer == "cmrc":
            signature = {**measured.signature, "words": "cmrc2018 segments"}
            measured = replace(measured, signature=signature)
        scores = [one.get("no_answer_score") for one in predictions]
        if any(score is None for score in scores):
            return measured
        found = best_no_answer_threshold([float(score or 0) for score in scores], best, right)
        note = (
            f"task.no_answer_threshold={found.threshold:.4g} would have given a squad_f1 of "
            f"{found.value:.2f} here; choose it on other rows than those it is reported on"
        )
        return replace(measured, notes=(*measured.notes, note))

    def baseline(self, train: Sequence[Example], examples: Sequence[Example]) -> Baseline:
        answers = [one.content.answers or () for one in train]
        if sum(not one for one in answers) * 2 > len(answers):
            return Baseline("no answer", "says that there is no answer", [""] * len(examples))
        words = int(np.median([len(word_offsets(one[0].text)) for one in answers if one]))
        firsts = [
            one.content.context[: word_offsets(one.content.context)[:words][-1][1]].strip()
            for one in examples
        ]
        how = f"the first {words} words of the context, as many as the median training answer has"
        return Baseline("first words", how, firsts)


def _are_chinese(questions: Sequence[Question]) -> bool:
    """Whether most letters of the questions are written without spaces around them."""
    letters = [letter for one in questions for letter in one.question if letter.isalnum()]
    return sum(map(is_wide, letters)) > len(letters) / 2
