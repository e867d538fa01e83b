"""Rows of every usual shape → who says what, in turns.

text           {"text"}                                               own text, no turns
messages       {"messages": [{"role", "content"}]}                    OpenAI, Hugging Face
conversations  {"conversations": [{"from", "value"}]}                 ShareGPT
instances      {"instruction", "instances": [{"input", "output"}]}    self-instruct
instruction    {"instruction", "input" | "context", "output" | "response"}    Alpaca, dolly
question       {"question", "answer"}                                 GSM8K
prompt         {"prompt", "completion" | "response"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from llmctl.registry import nearest
from llmctl.tasks.base import RowRefused
from llmctl.tasks.columns import kind_of, value_in
from llmctl.tasks.text_answers import without_end

Shape = Literal[
    "text", "messages", "conversations", "instances", "instruction", "question", "prompt"
]  # fmt: skip
Role = Literal["system", "user", "assistant"]

_MARKS_OF: Mapping[Shape, tuple[tuple[str, ...], ...]] = {
    "messages": (("messages",),),
    "conversations": (("conversations",),),
    "instances": (("instruction",), ("instances",)),
    "instruction": (("instruction",),),
    "question": (("question",), ("answer",)),
    "prompt": (("prompt",), ("completion", "response")),
    "text": (("text",),),
}
"""The columns by which a shape is told, the first that fits; of several names one is enough."""
_CONTEXTS, _OUTPUTS = ("input", "context"), ("output", "response")
_COMPLETIONS = ("completion", "response")
_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "bing", "bard"), "assistant"),
}
_TOOL_ROLES = {"tool", "function", "function_call", "observation", "ipython"}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says.

    Attributes:
        context: of an instruction, the input that it is about; `text` has both.
    """

    role: Role
    text: str
    instruction: str = ""
    context: str = ""

    def as_message(self) -> dict[str, str]:
        """What a chat template reads."""
        return {
            "role": self.role,
            "content": self.text,
            "instruction": self.instruction or self.text,
            "context": self.context,
        }


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row's turns: perhaps a system prompt, then user and assistant in turn.

    Attributes:
        more: further conversations of the same row (instances of one instruction).
    """

    shape: Shape
    turns: tuple[Turn, ...]
    more: tuple[tuple[Turn, ...], ...] = ()

    @property
    def asked(self) -> tuple[Turn, ...]:
        """Everything before the last answer."""
        return self.turns[:-1] if self.turns[-1].role == "assistant" else self.turns

    @property
    def answer(self) -> str | None:
        """The last answer."""
        last = self.turns[-1]
        return last.text if last.role == "assistant" else None

    @property
    def learnt(self) -> list[str]:
        """All answers."""
        turns = [turn for turns in (self.turns, *self.more) for turn in turns]
        return [turn.text for turn in turns if turn.role == "assistant"]

    def without_ends(self, words: Sequence[str]) -> Conversation:
        """The same without the names of end tokens that answers end with."""
        turns, *more = (
            tuple(
                replace(turn, text=without_end(turn.text, words))
                if turn.role == "assistant"
                else turn
                for turn in turns
            )
            for turns in (self.turns, *self.more)
        )
        return replace(self, turns=turns, more=tuple(more))


@dataclass(frozen=True, slots=True)
class OwnText:
    text: str

    @property
    def learnt(self) -> list[str]:
        return [self.text]


def shape_of(row: Mapping[str, Any], *, labelled: bool = True) -> Shape:
    """The shape that a row's columns show.

    Raises:
        RowRefused: none does.

    >>> shape_of({"instruction": "Add.", "input": "1 1", "output": "2"})
    'instruction'
    """
    for shape, groups in _MARKS_OF.items():
        needed = groups if labelled else groups[:1]
        if all(any(name in row for name in names) for names in needed):
            return shape
    raise RowRefused(
        f"columns {', '.join(row) or '(none)'} are of no known shape; expected text, prompt and "
        "completion, instruction and output, question and answer, messages, or conversations "
        "(task.columns gives them other names)"
    )


def content_of(
    row: Mapping[str, Any], shape: Shape, *, labelled: bool, system: str | None = None
) -> Conversation | OwnText:
    """What a row of a shape says.

    A conversation may end with the user; what follows the last answer is then left out where rows
    are labelled, since nothing can be learnt from it.

    Args:
        system: a system prompt for rows that have none.

    Raises:
        RowRefused: a column is missing or holds something else, or turns that do not alternate.
    """
    if shape == "text":
        return OwnText(_text(row, ("text",)))
    conversations = [
        _checked(_with_system(turns, row, system), labelled=labelled)
        for turns in _turns(row, shape, labelled)
    ]
    return Conversation(shape, conversations[0], tuple(conversations[1:]))


def _turns(row: Mapping[str, Any], shape: Shape, labelled: bool) -> list[list[Turn]]:
    if shape == "messages":
        return [_said(value_in(row, "messages"), "messages", ("role", "content"))]
    if shape == "conversations":
        return [_said(value_in(row, "conversations"), "conversations", ("from", "value"))]
    if shape == "instances":
        instances = _list(value_in(row, "instances"), "instances")
        return [_instructed(row, instance, labelled) for instance in instances]
    if shape == "instruction":
        return [_instructed(row, row, labelled)]
    asked, answered = {
        "question": ("question", ("answer",)), "prompt": ("prompt", _COMPLETIONS),
    }[shape]  # fmt: skip
    return [_pair(_text(row, (asked,)), row, answered, labelled)]


def _pair(asked: str, row: Mapping[str, Any], names: Sequence[str], labelled: bool) -> list[Turn]:
    turns = [Turn("user", asked)]
    if labelled or any(row.get(name) is not None for name in names):
        turns.append(Turn("assistant", _text(row, names, may_be_empty=True)))
    return turns


def _instructed(row: Mapping[str, Any], instance: Mapping[str, Any], labelled: bool) -> list[Turn]:
    instruction = _text(row, ("instruction",))
    context = _text(instance, _CONTEXTS, may_be_empty=True, may_lack=True).strip()
    _, *answer = _pair(instruction, instance, _OUTPUTS, labelled)
    whole = f"{instruction}\n\n{context}" if context else instruction
    return [Turn("user", whole, instruction, context), *answer]


def _said(value: Any, column: str, keys: tuple[str, str]) -> list[Turn]:
    turns = []
    for number, message in enumerate(_list(value, column), 1):
        try:
            turns.append(Turn(_role(message, keys[0]), _words(message, keys[1])))
        except RowRefused as refused:
            raise RowRefused(f"column {column!r}, turn {number}: {refused}") from None
    return turns


def _role(message: Mapping[str, Any], key: str) -> Role:
    given = message.get(key)
    if not isinstance(given, str):
        raise RowRefused(f"{key!r} holds {kind_of(given)}; expected a role")
    word = given.strip().lower()
    if word in _TOOL_ROLES or message.get("tool_calls") or message.get("function_call"):
        raise RowRefused("calls of tools are not learnt from")
    if word not in _ROLES:
        close = nearest(word, list(_ROLES))
        meant = f" (did you mean {close!r}?)" if close else ""
        raise RowRefused(f"role {given!r} is unknown{meant}; expected system, user or assistant")
    return _ROLES[word]


def _words(message: Mapping[str, Any], key: str) -> str:
    """The text of a message; a list of parts is joined where all are text."""
    value = message.get(key)
    if isinstance(value, list):
        kinds = [part.get("type") if isinstance(part, Mapping) else None for part in value]
        if any(kind != "text" for kind in kinds):
            raise RowRefused(f"{key!r} holds parts that are no text")
        value = "".join(str(part.get("text", "")) for part in value)
    if not isinstance(value, str):
        raise RowRefused(f"{key!r} holds {kind_of(value)}; expected text")
    return value


def _list(value: Any, column: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(part, Mapping) for part in value):
        raise RowRefused(f"column {column!r} holds {kind_of(value)}; expected a list of objects")
    if not value:
        raise RowRefused(f"column {column!r} is empty")
    return value


def _text(
    row: Mapping[str, Any], names: Sequence[str], *, may_be_empty: bool = False,
    may_lack: bool = False,
) -> str:  # fmt: skip
    """The text of the first of some columns that is there."""
    name = next((name for name in names if name in row), None)
    if name is None and may_lack:
        return ""
    value = value_in(row, name if name is not None else names[0])
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None and may_be_empty:
        return ""
    if not isinstance(value, str):
        raise RowRefused(f"column {name!r} holds {kind_of(value)}; expected text")
    if not value.strip() and not may_be_empty:
        raise RowRefused(f"column {name!r} is empty")
    return value


def _with_system(turns: list[Turn], row: Mapping[str, Any], system: str | None) -> list[Turn]:
    if turns and turns[0].role == "system":
        return turns
    given = row.get("system")
    words = given if isinstance(given, str) and given.strip() else system
    return [Turn("system", words), *turns] if words else turns


def _checked(turns: list[Turn], *, labelled: bool) -> tuple[Turn, ...]:
    """
    Raises:
        RowRefused: after a system prompt, user and assistant do not take turns, or nobody answers.
    """
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    for number, turn in enumerate(spoken):
        expected = "assistant" if number % 2 else "user"
        if turn.role != expected:
            place = number + 1 + len(turns) - len(spoken)
            raise RowRefused(f"turn {place} is the {turn.role}'s; expected the {expected}'s")
    if labelled and spoken and spoken[-1].role == "user":
        turns, spoken = turns[:-1], spoken[:-1]
    if labelled and not spoken:
        raise RowRefused("no turn of an assistant to learn from")
    if not spoken:
        raise RowRefused("nothing is asked")
    return tuple(turns)
