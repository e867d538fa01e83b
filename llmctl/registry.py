"""Name → class tables: the one way in which objectives, tasks, metrics and the like are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Generic, TypeVar

from llmctl.errors import UsageError

T = TypeVar("T")


def nearest(word: str, known: list[str]) -> str | None:
    """The known word closest to a mistyped one, or None when none is close.

    >>> nearest("learning_rte", ["learning_rate", "warmup_steps"])
    'learning_rate'
    """
    matches = get_close_matches(word, known, n=1, cutoff=0.6)
    return matches[0] if matches else None


class Registry(Generic[T]):
    """An explicit, ordered table of the parts of one kind.

    Values are either the part itself or `"module:attribute"`, which is imported when it is used:
    a table costs nothing to import.

    >>> shapes = Registry("shape", {"round": "math:pi"})
    >>> round(shapes.get("round"), 2)
    3.14
    """

    def __init__(self, kind: str, entries: Mapping[str, T | str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        return list(self._entries)

    def get(self, name: str) -> T:
        """The part called `name`.

        Raises:
            UsageError: no part has that name; the message lists the names and the nearest one.
        """
        if name not in self._entries:
            close = nearest(name, self.names())
            raise UsageError(
                f"no {self.kind} is called {name!r}; choose one of {', '.join(self._entries)}",
                hint=f"did you mean {close!r}?" if close else None,
            )
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            loaded: T = getattr(import_module(module), attribute)
            self._entries[name] = loaded
            return loaded
        return entry
