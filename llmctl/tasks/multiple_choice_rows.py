"""Rows of questions with choices, as SWAG, RACE, ARC and others have them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmctl.registry import nearest
from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import kind_of, text_in, value_in

AnswerForm = Literal["number", "letter", "key", "text"]

_CONTEXTS = ("context", "article", "passage", "paragraph", "sent1", "ctx", "premise")
_QUESTIONS = ("question", "query", "question_stem", "sent2", "goal")
_CHOICES = ("choices", "options", "endings", "choice")
_LABELS = ("label", "answer", "answerKey")
_NUMBERED = re.compile(r"(?:ending|choice|option|answer|sol)_?(\d|[A-Z])")


@dataclass(frozen=True, slots=True)
class ChoiceQuestion:
    """A question with its choices.

    Attributes:
        context, question: what stands before each choice; either may be missing.
        choices: C texts.
        names: what the row calls each of them: a number, a letter, a key or the text itself.
        form: which of these; None where the row does not say.
        answer: the number of the right one, from 0; None where it is not known.
    """

    context: str | None
    question: str | None
    choices: tuple[str, ...]
    names: tuple[str, ...]
    form: AnswerForm | None
    answer: int | None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a row; None: those of the data sets that people have, see `found_in`."""

    context: str | None
    question: str | None
    choices: Sequence[str] | None
    label: str | None

    def found_in(self, row: Mapping[str, Any]) -> Columns:
        """The columns with those filled in that a row has.

        >>> Columns(None, None, None, None).found_in(
        ...     {"sent1": "", "sent2": "", "ending0": "", "ending1": "", "label": 0})
        Columns(context='sent1', question='sent2', choices=['ending0', 'ending1'], label='label')
        """
        context = self.context or _first(_CONTEXTS, row)
        question = self.question or _first(_QUESTIONS, row)
        choices = self.choices or _choice_columns(row)
        return Columns(context, question, choices, self.label or _first(_LABELS, row))


def _first(names: Sequence[str], row: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in row), None)


def _choice_columns(row: Mapping[str, Any]) -> list[str] | None:
    numbered = sorted(name for name in row if _NUMBERED.fullmatch(name))
    if len(numbered) > 1:
        return numbered
    found = _first(_CHOICES, row)
    if found is not None:
        return [found]
    question = row.get("question")
    if isinstance(question, Mapping) and "choices" in question:  # CommonsenseQA
        return ["question.choices"]
    return None


def choices_in(
    row: Mapping[str, Any], wanted: Columns, first_number: int, *, labelled: bool
) -> ChoiceQuestion:
    """The question of a row.

    Args:
        first_number: what the first choice is called where answers are numbers.

    Raises:
        RowRefused: a column is missing or holds something else, or the answer is none of the
            choices.

    >>> row = {"article": "It rained.", "question": "How?", "options": ["no", "wet"], "answer": "B"}
    >>> choices_in(row, Columns(None, None, None, None), 0, labelled=True).answer
    1
    """
    columns = wanted.found_in(row)
    if columns.choices is None:
        raise RowRefused(
            f"no column of choices ({', '.join(_CHOICES)}, ending0, ending1 and so on)"
        )
    choices, keys = _texts(row, columns.choices)
    question, context = _question(row, columns.question), None
    if columns.context is not None:
        context = text_in(row, columns.context)
    if question is None and context is None:
        raise RowRefused("neither a context nor a question is there")
    label = row.get(columns.label) if columns.label is not None else None
    if label in (None, "", -1, "-1"):  # -1 hides the answers of test rows
        if labelled:
            value_in(row, columns.label or _LABELS[0])
            raise RowRefused(f"column {columns.label!r} holds no answer")
        names = keys or tuple(str(first_number + n) for n in range(len(choices)))
        return ChoiceQuestion(context, question, choices, names, "key" if keys else None, None)
    form, names = _named(label, choices, keys, first_number)
    answer = names.index(str(label).strip())
    return ChoiceQuestion(context, question, choices, names, form, answer)


def _question(row: Mapping[str, Any], column: str | None) -> str | None:
    if column is None:
        return None
    value = row.get(column)
    if isinstance(value, Mapping) and "stem" in value:
        return text_in(row, f"{column}.stem")
    if isinstance(value, list):
        raise RowRefused(
            f"column {column!r} holds {len(value)} questions; a row for each was expected"
        )
    return text_in(row, column)


def _texts(
    row: Mapping[str, Any], columns: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The choices, and their keys where they have any."""
    keys: Any = ()
    if len(columns) > 1:
        found: Any = [value_in(row, name) for name in columns]
        while found and found[-1] in (None, ""):
            found.pop()  # a table whose rows have fewer choices than others
    else:
        found = value_in(row, columns[0])
    if isinstance(found, Mapping) and "text" in found:  # ARC
        found, keys = found["text"], found.get("label", ())
    if not isinstance(found, list):
        raise RowRefused(
            f"column {columns[0]!r} holds {kind_of(found)}; expected a list of choices"
        )
    if found and all(isinstance(one, Mapping) and "text" in one for one in found):
        keys = [one["label"] for one in found if "label" in one]
        found = [one["text"] for one in found]
    for number, choice in enumerate(found, 1):
        if not isinstance(choice, str) or not choice.strip():
            what = "empty" if choice == "" else kind_of(choice)
            raise RowRefused(f"choice {number} is {what}; expected text")
    if len(found) < 2:
        raise RowRefused(
            f"{len(found)} choice{'s' * (len(found) != 1)}; at least two were expected"
        )
    if keys and (len(keys) != len(found) or len(set(map(str, keys))) < len(found)):
        raise RowRefused(f"{len(found)} choices and {len(set(map(str, keys)))} keys for them")
    return tuple(found), tuple(map(str, keys))


def _named(
    label: Any, choices: tuple[str, ...], keys: tuple[str, ...], first_number: int
) -> tuple[AnswerForm, tuple[str, ...]]:
    """How the choices are called, such that the label is one of them."""
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise RowRefused(f"the answer is {kind_of(label)}; expected a number, a letter or a text")
    said = str(label).strip()
    letters = tuple(chr(ord("A") + number) for number in range(len(choices)))
    numbers = tuple(str(first_number + number) for number in range(len(choices)))
    forms: list[tuple[AnswerForm, tuple[str, ...]]] = [
        ("key", keys), ("number", numbers), ("letter", letters),
        ("letter", tuple(letter.lower() for letter in letters)),
        ("text", tuple(choice.strip() for choice in choices)),
    ]  # fmt: skip
    for form, names in forms:
        if said in names:
            return form, names
    if said.isdecimal():
        raise RowRefused(f"the answer is {said}; choices are {numbers[0]} to {numbers[-1]}")
    if len(said) == 1:
        raise RowRefused(f"the answer is {said!r}; choices are {letters[0]} to {letters[-1]}")
    close = nearest(said, list(choices))
    meant = f"; the nearest is choice {choices.index(close) + 1}" if close else ""
    raise RowRefused(f"the answer is none of the {len(choices)} choices{meant}")
