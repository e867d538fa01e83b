"""Conversations → rows of tokens, the answers in them marked as targets.

A conversation is rendered up to and with each answer; each rendering must go on where the one
before ended, or the template would show other text when it is asked than when it was learnt:

    render(up to the question, answer next)    <|im_start|>user⏎Hi<|im_end|>⏎<|im_start|>assistant⏎
    render(up to the answer)                   … the same, and   Hello.<|im_end|>⏎
    trained on                                                   Hello.<|im_end|>

So the targets are found for any template, the end of the answer is one of them, and the ids of a
prompt are those that stand before the answer in training: each stretch is tokenized by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from llmctl.errors import UsageError
from llmctl.tasks.chat_templates import ChatTemplate, render
from llmctl.tasks.target_rows import BoolArray, Int64Array, TargetRow
from llmctl.tasks.text_ids import Literals, end_id, frame_of
from llmctl.tasks.turns import Conversation, Shape, Turn

Answers = Literal["all", "last"]
Keep = Literal["first", "last"]
Turns = Sequence[Turn]


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A conversation in tokens.

    Attributes:
        ids, trained: [L]; the last one is a target.
        ends: the lengths [A] up to which each of the answers is whole.
    """

    ids: Int64Array
    trained: BoolArray
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    text: str
    is_answer: bool


class ChatWriter:
    """Writes conversations in one template with one tokenizer.

    Args:
        answers: whether every answer of a conversation is learnt, or its last one alone.
    """

    def __init__(self, tokenizer: Any, template: ChatTemplate, answers: Answers = "all") -> None:
        self._tokenizer, self._template, self._answers = tokenizer, template, answers
        self._literals = Literals(tokenizer)
        self.beginning: list[int] = [] if template.begins_itself else frame_of(tokenizer)[0]
        self._marks = {*tokenizer.added_tokens_decoder, *tokenizer.all_special_ids}

    def prompts(self, asked: Sequence[Turns]) -> list[list[int]]:
        """The ids before the next answer of each conversation.

        Raises:
            UsageError: the template cannot write it turn by turn.
        """
        texts = [
            [part.text for part in self._stretches(turns, answer_next=True)] for turns in asked
        ]
        return [list(chain(self.beginning, *ids)) for ids in self._literals.ids(texts)]

    def rows(self, conversations: Sequence[Turns]) -> list[ChatRow]:
        """Conversations that end with an answer, whole.

        Raises:
            UsageError: the template cannot write one turn by turn, or ends no answer.
        """
        stretches = [self._stretches(turns, answer_next=False) for turns in conversations]
        texts = [[part.text for part in parts] for parts in stretches]
        return [
            self._row(parts, ids)
            for parts, ids in zip(stretches, self._literals.ids(texts), strict=True)
        ]

    def fitted_rows(
        self, conversations: Sequence[Turns], length: int, keep: Keep
    ) -> list[tuple[ChatRow | None, bool]]:
        """Rows of at most `length` tokens and their last target (None where no target is left), and
        whether each was cut; see `fitted`."""
        found = []
        for turns, row in zip(conversations, self.rows(conversations), strict=True):
            fitted = self.fitted(row, turns, length, keep)
            found.append((fitted, fitted is not row))
        return found

    def fitted(self, row: ChatRow, turns: Turns, length: int, keep: Keep) -> ChatRow | None:
        """A row of at most `length` tokens and their last target; None where no target is left.

        Of a conversation whole turns are kept, its first or its last ones (and its system prompt).
        Where not even one answer has room with what it answers, `first` keeps the prompt and the
        beginning of the answer, `last` the end of the prompt.
        """
        room = length + 1
        if len(row.ids) <= room:
            return row
        if keep == "first":
            whole = [end for end in row.ends if end <= room]
            return _cut(row, whole[-1] if whole else room)
        head = turns[:1] if turns[0].role == "system" else turns[:0]
        rest = turns[len(head) :]
        while len(rest) > 2:
            rest = rest[2:]
            row = self.rows([[*head, *rest]])[0]
            if len(row.ids) <= room:
                return row
        return _cut(self._without_start(row, room), room)

    def end_ids(self) -> list[int]:
        """The tokens that end an answer in this template: where generation must stop."""
        asked, answered = Turn("user", "a"), Turn("assistant", "b")
        row = self.rows([[asked, answered]])[0]
        return sorted({int(row.ids[-1]), end_id(self._tokenizer)})

    # Text -------------------------------------------------------------------------------------

    def _stretches(self, turns: Turns, *, answer_next: bool) -> list[_Stretch]:
        """A conversation in stretches, answers and what stands between them."""
        messages = [self._message(turn) for turn in turns]
        answered = [number for number, turn in enumerate(turns) if turn.role == "assistant"]
        if self._answers == "last":
            answered = [] if answer_next else answered[-1:]
        found: list[_Stretch] = []
        done = ""
        for number in answered:
            before = self._render(messages[:number], answer_next=True)
            after = self._render(messages[: number + 1], answer_next=False)
            found.append(_Stretch(self._rest(before, done, number), is_answer=False))
            found.append(_Stretch(self._rest(after, before, number), is_answer=True))
            done = after
        if answer_next:
            whole = self._render(messages, answer_next=True)
            found.append(_Stretch(self._rest(whole, done, len(messages)), is_answer=False))
        return found

    def _message(self, turn: Turn) -> dict[str, str]:
        return {key: self._literals.hide(text) for key, text in turn.as_message().items()}

    def _render(self, messages: Sequence[dict[str, str]], *, answer_next: bool) -> str:
        return render(self._template, self._tokenizer, messages, answer_next=answer_next)

    def _rest(self, whole: str, start: str, turn: int) -> str:
        if whole.startswith(start):
            return whole[len(start) :]
        same = next(
            (place for place, pair in enumerate(zip(whole, start, strict=False))
             if pair[0] != pair[1]), min(len(whole), len(start)),
        )  # fmt: skip
        raise UsageError(
            f"chat template {self._template.name} does not write a conversation turn by turn: up "
            f"to turn {turn + 1} its text is no longer what it was before, from "
            f"character {same + 1} on, so that the model would learn what it is never asked",
            hint="task.answers=last learns the last answer of each conversation alone; or "
            "task.template=chatml",
        )

    # Tokens -----------------------------------------------------------------------------------

    def _row(self, stretches: Sequence[_Stretch], ids: Sequence[list[int]]) -> ChatRow:
        lengths, flags, ends = [len(self.beginning)], [False], []
        for stretch, own in zip(stretches, ids, strict=True):
            if not stretch.is_answer:
                lengths.append(len(own))
                flags.append(False)
                continue
            learnt = self._learnt(own)
            lengths += [learnt, len(own) - learnt]
            flags += [True, False]
            ends.append(sum(lengths[:-1]))
        flat = np.concatenate([np.asarray(own, dtype=np.int64) for own in (self.beginning, *ids)])
        return ChatRow(flat[: ends[-1]], np.repeat(flags, lengths)[: ends[-1]], tuple(ends))

    def _learnt(self, ids: Sequence[int]) -> int:
        """How many tokens of an answer are learnt: up to the one that ends it. What the template
        writes after that is no business of the model's."""
        for place in range(len(ids) - 1, -1, -1):
            if ids[place] in self._marks:
                return place + 1
            if self._tokenizer.decode([ids[place]]).strip():
                break
        raise UsageError(
            f"chat template {self._template.name} writes no special token after an answer, so the "
            "model could not learn to end one",
            hint="task.template=plain ends answers with the tokenizer's end-of-sequence token",
        )

    def _without_start(self, row: ChatRow, room: int) -> ChatRow:
        """The last exchange without the start of its prompt, so that the answer has room; a quarter
        of the row is left to the prompt."""
        prompt = int(np.argmax(row.trained))
        left = max(room - (len(row.ids) - prompt), room // 4)
        begin = min(len(self.beginning), left)
        gone = slice(begin, max(prompt - (left - begin), begin))
        ids = np.delete(row.ids, gone)
        return ChatRow(ids, np.delete(row.trained, gone), (len(ids),))


def _cut(row: ChatRow, room: int) -> ChatRow | None:
    """The row's first tokens, up to the last target among them."""
    targets = np.flatnonzero(row.trained[:room])
    if not len(targets):
        return None
    end = int(targets[-1]) + 1
    return ChatRow(row.ids[:end], row.trained[:end], tuple(e for e in row.ends if e <= end))


def chat_target_rows(
    conversations: Mapping[int, Conversation],
    writer_of: Callable[[Shape], ChatWriter],
    length: int,
    keep: Keep,
) -> tuple[list[TargetRow], int, int]:
    """Rows of conversations by the numbers of their examples.

    Args:
        writer_of: writes conversations of a shape.
        length: tokens that a row reads at most.

    Returns:
        the rows, how many examples were cut, and how many have no target left.
    """
    by_shape: dict[Shape, list[tuple[int, Turns]]] = {}
    for number, content in conversations.items():
        ours = by_shape.setdefault(content.shape, [])
        ours += [(number, turns) for turns in (content.turns, *content.more)]
    found: list[TargetRow] = []
    cut: set[int] = set()
    for shape, ours in by_shape.items():
        rows = writer_of(shape).fitted_rows([turns for _, turns in ours], length, keep)
        for (number, _), (row, was_cut) in zip(ours, rows, strict=True):
            if was_cut:
                cut.add(number)
            if row is not None:
                found.append(TargetRow(number, row.ids, row.trained))
    return found, len(cut), len(conversations.keys() - {row.example for row in found})
