"""Rows of questions about texts, and answers that do not stand where their row says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmctl.tasks.base import Example, Problem, RowRefused
from llmctl.tasks.columns import kind_of, text_in, value_in


@dataclass(frozen=True, slots=True)
class Answer:
    """A right answer, and the character of the context where it begins; None: it is not there."""

    text: str
    start: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a context.

    Attributes:
        answers: right ones; empty where the context does not answer it, None where it is not known.
    """

    question: str
    context: str
    answers: tuple[Answer, ...] | None
    id: str | None = None

    @property
    def target(self) -> Answer | None:
        """The answer to learn: the first that stands where it says; else the first whose place is
        in the context at all."""
        known = [one for one in self.answers or () if one.start is not None and one.start >= 0]
        return next(
            (one for one in known if is_in_place(one, self.context)),
            next((o for o in known if (o.start or 0) + len(o.text) <= len(self.context)), None),
        )


def question_in(
    row: Mapping[str, Any], question: str, context: str, answers: str, *, labelled: bool
) -> Question:
    """The question of a row.

    Answers may be `{"text": [...], "answer_start": [...]}`, a list of objects with `text` and
    `answer_start`, a list of texts or one text; those without a place stand where they first occur.
    No answer, or `is_impossible`: the context does not answer the question.

    Raises:
        RowRefused: a column is missing or holds something else.

    >>> row = {"question": "Where?", "context": "In Oslo.", "answers": ["Oslo"]}
    >>> question_in(row, "question", "context", "answers", labelled=True).answers
    (Answer(text='Oslo', start=3),)
    """
    asked, text = text_in(row, question), text_in(row, context)
    identity = row.get("id")
    name = str(identity) if isinstance(identity, str | int) else None
    impossible = row.get("is_impossible") in (True, "True", "true", 1)
    if answers.partition(".")[0] not in row or row.get(answers, ...) is None:
        if labelled and not impossible:
            value_in(row, answers)
            raise RowRefused(f"column {answers!r} holds nothing; expected answers")
        return Question(asked, text, () if impossible else None, name)
    found = tuple(_placed(*one, text, answers) for one in _pairs(value_in(row, answers), answers))
    if impossible and found:
        raise RowRefused(f"is_impossible is true, and column {answers!r} holds answers")
    return Question(asked, text, found, name)


def _pairs(value: Any, column: str) -> list[tuple[Any, Any]]:
    """Texts and places as a row has them."""
    if isinstance(value, str):
        return [(value, None)]
    if isinstance(value, Mapping) and "text" in value:
        texts, starts = value["text"], value.get("answer_start")
        if isinstance(texts, str):
            texts, starts = [texts], [starts] if starts is not None else None
        if isinstance(texts, list) and isinstance(starts, list | None):
            if starts is not None and len(starts) != len(texts):
                raise RowRefused(
                    f"column {column!r} holds {len(texts)} texts and {len(starts)} answer_start"
                )
            return list(zip(texts, starts or [None] * len(texts), strict=True))
    if isinstance(value, list):
        return [
            (one["text"], one.get("answer_start"))
            if isinstance(one, Mapping) and "text" in one
            else (one, None)
            for one in value
        ]
    raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected answers")


def _placed(text: Any, start: Any, context: str, column: str) -> Answer:
    if not isinstance(text, str):
        raise RowRefused(f"an answer of column {column!r} is {kind_of(text)}; expected text")
    if not text.strip():
        raise RowRefused(f"an answer of column {column!r} is empty")
    if start is None:
        found = context.find(text)
        return Answer(text, found if found >= 0 else None)
    if isinstance(start, bool) or not isinstance(start, int):
        raise RowRefused(
            f"an answer_start of column {column!r} is {kind_of(start)}, no whole number"
        )
    return Answer(text, start)


def is_in_place(answer: Answer, context: str) -> bool:
    """
    >>> is_in_place(Answer("Oslo", 3), "In Oslo."), is_in_place(Answer("Oslo", -1), "Oslo")
    (True, False)
    """
    return (
        answer.start is not None
        and answer.start >= 0
        and context.startswith(answer.text, answer.start)
    )


def nearest_place(answer: Answer, context: str) -> int | None:
    """Where an answer occurs, nearest to the place that its row names; the first of equally near.

    >>> nearest_place(Answer("an", 4), "banana")
    3
    """
    places = []
    found = context.find(answer.text)
    while found >= 0:
        places.append(found)
        found = context.find(answer.text, found + 1)
    wanted = answer.start or 0
    return min(places, key=lambda place: abs(place - wanted), default=None)


def places_of(examples: Sequence[Example]) -> Iterator[Problem]:
    """Answers that do not stand where their rows say: elsewhere, or nowhere in their contexts."""
    for number, example in enumerate(examples):
        content: Question = example.content
        answers = content.answers or ()
        if all(is_in_place(one, content.context) for one in answers):
            continue
        mended = tuple(
            one
            if is_in_place(one, content.context)
            else replace(one, start=nearest_place(one, content.context))
            for one in answers
        )
        name = f" of question {content.id}" if content.id is not None else ""
        missing = sum(one.start is None for one in mended)
        if missing == len(mended):
            yield Problem("answer_missing", number, f"no answer{name} is in its context")
            continue
        if missing:
            text = f"{missing} of {len(mended)} answers{name} are not in its context"
            yield Problem("some_answers_missing", number, text)
        for before, after in zip(answers, mended, strict=True):
            if after.start not in (None, before.start):
                text = f"an answer{name} is at {after.start}, not at {before.start}"
                yield Problem("answer_offset", number, text, replace(content, answers=mended))
                break
