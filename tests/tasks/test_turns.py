"""Rows of every shape become turns, or are refused with what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from llmctl.tasks.base import RowRefused
from llmctl.tasks.turns import Conversation, OwnText, Turn, content_of, shape_of

USER, ASSISTANT = Turn("user", "Hi"), Turn("assistant", "Hello.")

PAIRS: list[tuple[str, dict[str, Any], tuple[Turn, ...]]] = [
    ("prompt", {"prompt": "Hi", "completion": "Hello."}, (USER, ASSISTANT)),
    ("prompt", {"prompt": "Hi", "response": "Hello."}, (USER, ASSISTANT)),
    ("question", {"question": "Hi", "answer": "Hello."}, (USER, ASSISTANT)),
    (
        "instruction",
        {"instruction": "Add.", "input": " 1 1 ", "output": "2"},
        (Turn("user", "Add.\n\n1 1", "Add.", "1 1"), Turn("assistant", "2")),
    ),
    (
        "instruction",
        {"instruction": "说你好。", "context": "", "response": "你好。", "category": "x"},
        (Turn("user", "说你好。", "说你好。", ""), Turn("assistant", "你好。")),
    ),
    (
        "messages",
        {"id": 1, "messages": [{"role": "user", "content": "Hi"},
                               {"role": "assistant", "content": "Hello."}]},
        (USER, ASSISTANT),
    ),
    (
        "conversations",
        {"conversations": [{"from": "system", "value": "Be kind."},
                           {"from": "human", "value": "Hi"},
                           {"from": "gpt", "value": "Hello."}]},
        (Turn("system", "Be kind."), USER, ASSISTANT),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "row", "turns"), PAIRS)
def test_every_shape_is_told_by_its_columns_and_read(
    shape: Any, row: dict[str, Any], turns: tuple[Turn, ...]
) -> None:
    assert shape_of(row) == shape
    assert content_of(row, shape, labelled=True) == Conversation(shape, turns)


def test_text_alone_is_own_text_and_beside_an_instruction_it_is_not() -> None:
    """Alpaca's files carry the rendered prompt in `text` besides."""
    assert content_of({"text": "A sea."}, "text", labelled=True) == OwnText("A sea.")
    assert shape_of({"text": "x", "instruction": "y", "output": "z"}) == "instruction"


def test_every_instance_of_an_instruction_is_a_conversation() -> None:
    row = {"instruction": "Add.", "instances": [{"input": "1 1", "output": "2"},
                                                {"input": "", "output": "?"}]}  # fmt: skip

    found = content_of(row, "instances", labelled=True)

    assert isinstance(found, Conversation)
    assert [turn.text for turn in found.turns] == ["Add.\n\n1 1", "2"]
    assert [[turn.text for turn in turns] for turns in found.more] == [["Add.", "?"]]


def test_a_system_prompt_is_taken_from_the_turns_the_row_or_the_settings() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    own = [{"role": "developer", "content": "own"}, *messages]

    def system(row: dict[str, Any]) -> str:
        found = content_of(row, "messages", labelled=True, system="settings")
        assert isinstance(found, Conversation)
        return found.turns[0].text

    assert system({"messages": own, "system": "row"}) == "own"
    assert system({"messages": messages, "system": "row"}) == "row"
    assert system({"messages": messages, "system": ""}) == "settings"


def test_what_follows_the_last_answer_is_left_out_only_where_rows_are_labelled() -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                        {"role": "user", "content": "c"}]}  # fmt: skip

    learnt = content_of(row, "messages", labelled=True)
    asked = content_of(row, "messages", labelled=False)

    assert isinstance(learnt, Conversation)
    assert isinstance(asked, Conversation)
    assert [turn.text for turn in learnt.turns] == ["a", "b"]
    assert [turn.text for turn in asked.asked] == ["a", "b", "c"]
    assert (learnt.answer, asked.answer) == ("b", None)


def test_a_row_without_an_answer_can_be_asked_but_not_learnt_from() -> None:
    assert content_of({"prompt": "Hi"}, shape_of({"prompt": "Hi"}, labelled=False), labelled=False)
    with pytest.raises(RowRefused, match="of no known shape"):
        shape_of({"prompt": "Hi"})
    with pytest.raises(RowRefused, match="'completion' is missing"):
        content_of({"prompt": "Hi"}, "prompt", labelled=True)


def test_parts_of_text_in_a_message_are_joined() -> None:
    content = [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]
    row = {"messages": [{"role": "user", "content": content},
                        {"role": "assistant", "content": "x"}]}  # fmt: skip

    found = content_of(row, "messages", labelled=True)

    assert isinstance(found, Conversation)
    assert found.turns[0].text == "Hello"


def said(*roles: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "x", **more} for role in roles]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (said("user", "user"), "turn 2 is the user's; expected the assistant's"),
        (said("system", "assistant"), "turn 2 is the assistant's; expected the user's"),
        (said("user", "assistant", "system"), "turn 3 is the system's; expected the user's"),
        (said("system"), "no turn of an assistant"),
        (said("user"), "no turn of an assistant"),
        (said("user", "tool", "assistant"), "turn 2: calls of tools"),
        (said("user", "assistant", tool_calls=[{}]), "turn 1: calls of tools"),
        (said("user", "asistant"), "turn 2: role 'asistant' is unknown .did you mean 'assistant'"),
        ({"messages": []}, "column 'messages' is empty"),
        ({"messages": "hi"}, "column 'messages' holds text; expected a list"),
        ({"messages": ["hi"]}, "column 'messages' holds a list; expected a list of objects"),
        ({"messages": [{"role": "user"}]}, "turn 1: 'content' holds nothing; expected text"),
        ({"messages": [{"content": "x"}]}, "turn 1: 'role' holds nothing; expected a role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "are no text"),
        ({"prompt": " ", "completion": "x"}, "column 'prompt' is empty"),
        ({"prompt": ["x"], "completion": "x"}, "column 'prompt' holds a list; expected text"),
        ({"instruction": "x", "instances": []}, "column 'instances' is empty"),
        ({"instruction": "x", "input": "y"}, "column 'output' is missing"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_with_the_reason(
    row: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RowRefused, match=reason):
        content_of(row, shape_of(row), labelled=True)
