"""A user's own module for the library `evaluate`, loaded by its path, as an entry of the table."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import Field

from llmctl.errors import DataError, InputMissing, UsageError
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.section import Section

PREFIX = "hf:"
_OFFLINE = {"HF_EVALUATE_OFFLINE": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}


class UserModuleSettings(Section):
    """What is passed on to the module."""

    numbers: list[str] = Field(
        default=[], description="Names of the numbers to take, needed for gates; none: every one "
        "that it gives",
    )  # fmt: skip
    config: str | None = Field(None, description="Name of the module's configuration")
    options: dict[str, Any] = Field(default={}, description="Keywords for its `compute`")


def is_user_module(name: str) -> bool:
    """Whether a metric's name is the path of a module: `hf:PATH`, `FILE.py` or a folder.

    >>> is_user_module("hf:my/metric"), is_user_module("metric.py"), is_user_module("rouge")
    (True, True, False)
    """
    return name.startswith(PREFIX) or name.endswith(".py") or (os.sep in name)


def user_module(name: str) -> MetricEntry:
    """The entry of a module by its path. Its code is run; it is not looked for anywhere else.

    Its numbers are not known before it has run, unless the settings name them. It scores all
    examples at once, so there are no statistics of single ones: neither interval nor paired test.

    Args:
        name: `hf:PATH` or PATH: a file, or a folder NAME that holds NAME.py.

    Raises:
        InputMissing: there is no such file.
    """
    file = _file_of(name)
    return MetricEntry(
        name=file.stem,
        kind="text",
        settings=UserModuleSettings,
        numbers=lambda settings: tuple(_number(name) for name in settings.numbers),
        measure=lambda predictions, references, settings: _measure(
            file, predictions, references, settings
        ),
        description=f"the evaluate module {file}",
    )


def _measure(
    file: Path, predictions: Sequence[Any], references: Sequence[Any], settings: UserModuleSettings
) -> Measured:
    module = _load(file, settings.config)

    def compute(places: Sequence[int]) -> dict[str, float]:
        inputs = {"predictions": predictions, "references": references}
        chosen = {
            name: [values[place] for place in places]
            for name, values in inputs.items()
            if name in module._feature_names()
        }
        if "references" in chosen and not _takes_lists(module):
            chosen["references"] = _single(chosen["references"])
        return _floats(file, module.compute(**chosen, **settings.options))

    found = compute(range(len(predictions)))
    names = settings.numbers or list(found)
    if missing := [name for name in names if name not in found]:
        raise UsageError(f"{file} gives no {', '.join(missing)}; it gives {', '.join(found)}")

    def of_rows(rows: FloatArray) -> FloatArray:
        chosen = rows[:, 0].astype(int).tolist()
        values = found if len(chosen) == len(predictions) else compute(chosen)
        return np.array([values.get(name, math.nan) for name in names])

    return Measured(
        tuple(map(_number, names)),
        np.arange(len(predictions), dtype=np.float64)[:, None],
        from_rows=of_rows,
        signature={
            "module": file.stem,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:12],
            "config": settings.config or "default",
            "options": ",".join(f"{key}={value}" for key, value in settings.options.items())
            or "no",
        },
        null_reasons={name: "the module gave NaN" for name in names if math.isnan(found[name])},
        not_resampled="a module of one's own scores all examples at once",
    )


def _number(name: str) -> Number:
    return Number(name, -math.inf, math.inf, higher_is_better=None)


def _file_of(name: str) -> Path:
    path = Path(name.removeprefix(PREFIX)).expanduser()
    file = path / f"{path.resolve().name}.py" if path.is_dir() else path
    if not file.is_file():
        raise InputMissing(
            f"there is no evaluate module {file}",
            hint="name a file, or a folder NAME with NAME.py in it; one on the Hub is to be "
            "downloaded first",
        )
    return file.resolve()


def _load(file: Path, config: str | None) -> Any:
    """The module's class, made. Not by `evaluate.load`: that copies it to a cache in the home
    folder, which must be writable, and asks the network for a name that it does not find."""
    for name, value in _OFFLINE.items():
        os.environ.setdefault(name, value)
    import evaluate

    code = _run(file)
    classes = [
        value
        for value in vars(code).values()
        if isinstance(value, type)
        and issubclass(value, evaluate.EvaluationModule)
        and value.__module__ == code.__name__
    ]
    if not classes:
        raise UsageError(f"{file} holds no class of evaluate.Metric")
    module = classes[0](config_name=config, cache_dir=_scratch(), keep_in_memory=True)
    module.download_and_prepare()
    return module


def _run(file: Path) -> ModuleType:
    """The code as a package of its own, so that `from .beside import …` finds files beside it."""
    name = f"llmctl_user_module_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[name] = code
    try:
        spec.loader.exec_module(code)
    except ImportError as error:
        raise UsageError(f"{file} cannot be imported: {error}") from error
    return code


@cache
def _scratch() -> str:
    folder = tempfile.mkdtemp(prefix="llmctl-evaluate-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _takes_lists(module: Any) -> bool:
    """Whether it takes several references an example; where it takes both, it is given lists."""
    import datasets

    known = module.features if isinstance(module.features, list) else [module.features]
    return any(not isinstance(features["references"], datasets.Value) for features in known)


def _single(references: Sequence[Any]) -> list[Any]:
    several = next(
        (given for given in references if isinstance(given, list) and len(given) != 1), None
    )
    if several is not None:
        raise DataError(
            f"the module takes one reference for each prediction; one has {len(several)}"
        )
    return [given[0] if isinstance(given, list) else given for given in references]


def _floats(file: Path, given: Any) -> dict[str, float]:
    """The numbers in a module's answer; lists and texts in it are left out."""
    if not isinstance(given, Mapping):
        raise UsageError(f"{file}: compute() gave {type(given).__name__}; a dict was expected")
    found = {name: float(value) for name, value in given.items() if isinstance(value, Real)}
    if not found:
        raise UsageError(
            f"{file}: no number in what compute() gave: {', '.join(given) or 'nothing'}"
        )
    return found
