"""Questions and contexts → windows of tokens that know their places in the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.tasks.base import Encoded, Feature
from llmctl.tasks.encoding import TOKEN_TYPES
from llmctl.tasks.question_answering_rows import Answer, Question
from llmctl.tasks.text_words import word_offsets
from llmctl.tasks.word_windows import check_fast

Ints = NDArray[np.int64]
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Places:
    """Where the tokens of a window stand in the context, [L]; -1 where they are of the question,
    special, or nothing but white space.

    Attributes:
        starts, ends: characters, without white space at the borders; the end is not in it.
        first_words, last_words: numbers of words.
        nothing: the token that stands for "no answer".
        covered: characters of the context that the window has tokens of.
    """

    starts: Ints
    ends: Ints
    first_words: Ints
    last_words: Ints
    nothing: int
    covered: tuple[int, int]


def encode_questions(
    contents: Sequence[Question],
    tokenizer: Any,
    max_length: int,
    max_question_length: int,
    stride: int,
    *,
    labelled: bool,
) -> Encoded:
    """The windows of every context, each with its question before it.

    A question is cut at `max_question_length` tokens (at half of a window), and windows share
    `stride` tokens (at most half of what is left for the context): so windows do not depend on
    other rows.

    Targets are the first and last token of the answer where the window has all of it; else the
    token for "no answer" twice, as transformers' example has it. A question whose answer has no
    place has no target.
    """
    check_fast(tokenizer)
    if not contents:
        return Encoded([])
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    longest = min(max_question_length, room // 2)
    asked = _cut(tokenizer, [one.question.strip() for one in contents], longest)
    found = tokenizer(
        asked, [one.context for one in contents], truncation="only_second", max_length=max_length,
        stride=min(stride, (room - longest) // 2), return_overflowing_tokens=True,
        return_offsets_mapping=True, return_attention_mask=False, verbose=False,
    )  # fmt: skip
    names = [name for name in ("input_ids", TOKEN_TYPES) if name in found]
    sample = np.asarray(found["overflow_to_sample_mapping"])
    is_last = np.diff(sample, append=-1) != 0
    answered = np.zeros(len(contents), dtype=bool)
    features = []
    for row, number in enumerate(sample.tolist()):
        content = contents[number]
        arrays = {name: np.asarray(found[name][row], dtype=np.int64) for name in names}
        inside = np.array([part == 1 for part in found.sequence_ids(row)])
        is_first = row == 0 or sample[row - 1] != number
        places = _places(
            np.asarray(found["offset_mapping"][row], dtype=np.int64), inside, content.context,
            _nothing(arrays["input_ids"], tokenizer), is_first, bool(is_last[row]),
        )  # fmt: skip
        targets = 1
        if labelled:
            start, end = _target(content, places)
            arrays["start_positions"], arrays["end_positions"] = np.array(start), np.array(end)
            targets = int(start != IGNORED)
            answered[number] |= not content.answers or start not in (IGNORED, places.nothing)
        features.append(Feature((number,), arrays, (targets,), places))
    extra = len(features) - len(contents)
    return Encoded(
        features,
        truncated=sum(
            short != one.question.strip() for short, one in zip(asked, contents, strict=True)
        ),
        without_targets=int((~answered).sum()) if labelled else 0,
        counts={"windows of rows longer than one": extra} if extra else {},
    )


def _cut(tokenizer: Any, questions: Sequence[str], longest: int) -> list[str]:
    """The beginning of each question, of at most so many tokens."""

    def places(texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        found: list[list[tuple[int, int]]] = tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        return found

    kept = []
    for whole, whole_tokens in zip(questions, places(questions), strict=True):
        question, tokens = whole, whole_tokens
        # The tokens of a part may be more than part of the tokens: go on until it fits.
        while len(tokens) > longest:
            question = question[: min(tokens[longest - 1][1], len(question) - 1)].rstrip()
            [tokens] = places([question])
        kept.append(question)
    return kept


def _nothing(ids: Ints, tokenizer: Any) -> int:
    """The place that means "no answer": the classifying token, or the first one."""
    if tokenizer.cls_token_id is None:
        return 0
    found = np.flatnonzero(ids == tokenizer.cls_token_id)
    return int(found[0]) if len(found) else 0


def _places(
    offsets: Ints, inside: NDArray[np.bool_], context: str, nothing: int, first: bool, last: bool
) -> Places:
    next_solid, last_solid, word_of = _characters(context)
    offsets = np.where(inside[:, None], offsets, 0)
    starts, ends = next_solid[offsets[:, 0]], last_solid[offsets[:, 1]]
    solid = inside & (starts < ends)
    starts, ends = np.where(solid, starts, -1), np.where(solid, ends, -1)
    within = np.flatnonzero(solid)
    covered = (
        0 if first or not len(within) else int(starts[within[0]]),
        len(context) if last or not len(within) else int(ends[within[-1]]),
    )
    first_words = np.where(solid, word_of[starts], -1)
    last_words = np.where(solid, word_of[ends - 1], -1)
    return Places(starts, ends, first_words, last_words, nothing, covered)


@lru_cache(maxsize=64)
def _characters(context: str) -> tuple[Ints, Ints, Ints]:
    """Of a context of N characters: for each place 0 to N, the next character that is no white
    space; the end of the last one before it; and the number of its word.

    >>> [array.tolist() for array in _characters("a  b")]
    [[0, 3, 3, 3, 4], [0, 1, 1, 1, 4], [0, 0, 0, 1, 1]]
    """
    solid = ~np.char.isspace(np.array(list(context) or [" "]))[: len(context)]
    numbers = np.arange(len(context))
    following = np.append(np.where(solid, numbers, len(context)), len(context))
    next_solid = np.minimum.accumulate(following[::-1])[::-1]
    last_solid = np.maximum.accumulate(np.append(0, np.where(solid, numbers + 1, 0)))
    begins = np.array([start for start, _ in word_offsets(context)], dtype=np.int64)
    word_of = np.searchsorted(begins, np.arange(len(context) + 1), side="right") - 1
    return next_solid, last_solid, np.maximum(word_of, 0)


def _target(content: Question, places: Places) -> tuple[int, int]:
    """First and last token of the answer."""
    if not content.answers:
        return places.nothing, places.nothing
    answer = content.target
    if answer is None:
        return IGNORED, IGNORED
    found = tokens_of(answer, content.context, places)
    return found if found is not None else (places.nothing, places.nothing)


def tokens_of(answer: Answer, context: str, places: Places) -> tuple[int, int] | None:
    """First and last token that hold an answer; None where the window has not all of it."""
    assert answer.start is not None
    said = context[answer.start : answer.start + len(answer.text)]
    start = answer.start + len(said) - len(said.lstrip())
    end = answer.start + len(said.rstrip())
    if not places.covered[0] <= start < end <= places.covered[1]:
        return None
    tokens = np.flatnonzero((places.starts >= 0) & (places.ends > start) & (places.starts < end))
    return (int(tokens[0]), int(tokens[-1])) if len(tokens) else None
