"""The group of processes, with others that only listen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llmctl.errors import LlmctlError, StorageError
from llmctl.training.processes import Processes


class MainOfTwo(Processes):
    """Rank 0 of a group whose other process notes what it is told."""

    told: list[Any]

    def from_main(self, value: Any) -> Any:
        self.told.append(value)
        return value


@pytest.fixture
def main() -> MainOfTwo:
    processes = MainOfTwo(SimpleNamespace(is_main_process=True, num_processes=2))  # type: ignore[arg-type]
    object.__setattr__(processes, "told", [])
    return processes


def test_the_others_are_told_of_an_expected_error(main: MainOfTwo) -> None:
    full = StorageError("the disk is full")

    def fail() -> None:
        raise full

    with pytest.raises(StorageError):
        main.on_main(fail)
    assert main.told == [full]


def test_the_others_do_not_wait_for_ever_after_a_bug(main: MainOfTwo) -> None:
    with pytest.raises(ZeroDivisionError):
        main.on_main(lambda: 1 / 0)

    assert len(main.told) == 1
    assert isinstance(main.told[0], LlmctlError)
    assert "ZeroDivisionError" in main.told[0].message
