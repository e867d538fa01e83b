"""Tables of named parts."""

from __future__ import annotations

import math

import pytest

from llmctl.errors import UsageError
from llmctl.registry import Registry


def test_entries_are_imported_when_used() -> None:
    table: Registry[float] = Registry("number", {"pi": "math:pi", "one": 1.0})

    assert table.get("pi") == math.pi
    assert table.get("one") == 1.0
    assert table.names() == ["pi", "one"]
    assert "pi" in table


def test_an_unknown_name_lists_the_names_and_the_nearest() -> None:
    table: Registry[int] = Registry("objective", {"masked_lm": 1, "causal_lm": 2})

    with pytest.raises(UsageError) as refused:
        table.get("causal")

    assert refused.value.message == (
        "no objective is called 'causal'; choose one of masked_lm, causal_lm"
    )
    assert refused.value.hint == "did you mean 'causal_lm'?"
