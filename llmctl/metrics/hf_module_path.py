"""Where the `evaluate` module of a metric lies."""

from __future__ import annotations

from pathlib import Path

from llmctl.errors import UsageError
from llmctl.registry import nearest

_FOLDER = Path(__file__).parent / "hf_modules"


def hf_module_path(name: str) -> Path:
    """The folder that `evaluate.load(str(folder))` takes; it needs no network.

    Raises:
        UsageError: no metric of that name has such a module.

    >>> hf_module_path("rouge").name
    'rouge'
    """
    known = sorted(file.stem for file in _FOLDER.glob("*/*.py") if file.stem == file.parent.name)
    if name not in known:
        close = nearest(name, known)
        raise UsageError(
            f"no evaluate module is called {name!r}; there are {', '.join(known)}",
            hint=f"did you mean {close!r}?" if close else None,
        )
    return _FOLDER / name
