"""What GLUE and SuperGLUE measure each task by, and how their averages are taken.

Wang et al. 2018 (table 1) and Wang et al. 2019 (table 1). Labels are texts, named as in the
published files: "0" and "1" where those hold numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from llmctl.errors import UsageError
from llmctl.metrics import METRICS
from llmctl.registry import Registry, nearest


@dataclass(frozen=True)
class BenchmarkTask:
    """
    Attributes:
        metric: a name of the table of metrics.
        numbers: the official numbers of it; their plain mean is the task's score.
        options: settings of the metric.
        sets: the names of its evaluation sets, whose scores are averaged; the task counts once.
    """

    metric: str
    numbers: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    sets: tuple[str, ...] = ("validation",)


_ACCURACY = BenchmarkTask("classification", ("accuracy",))
_PARAPHRASE = BenchmarkTask("classification", ("f1", "accuracy"), {"positive": "1"})

GLUE: Registry[BenchmarkTask] = Registry(
    "GLUE task",
    {
        "cola": BenchmarkTask("classification", ("mcc",)),
        "sst2": _ACCURACY,
        "mrpc": _PARAPHRASE,
        "stsb": BenchmarkTask("correlation", ("pearson", "spearman")),
        "qqp": _PARAPHRASE,
        "mnli": BenchmarkTask(
            "classification", ("accuracy",), sets=("validation_matched", "validation_mismatched")
        ),
        "qnli": _ACCURACY,
        "rte": _ACCURACY,
        "wnli": _ACCURACY,
    },
)
"""The nine tasks of the GLUE score; the diagnostic set AX is not part of it."""

SUPER_GLUE: Registry[BenchmarkTask] = Registry(
    "SuperGLUE task",
    {
        "boolq": _ACCURACY,
        # Its F1 is the mean over three classes, also where one is absent, as jiant computes it.
        "cb": BenchmarkTask(
            "classification",
            ("f1_macro", "accuracy"),
            {"labels": ["contradiction", "entailment", "neutral"]},
        ),
        "copa": _ACCURACY,
        # A question's answer is the set of options that are right: the F1 over all options of all
        # questions (F1a), and how many sets are right (EM).
        "multirc": BenchmarkTask("multi_label", ("multi_label_f1_micro", "subset_accuracy")),
        "record": BenchmarkTask("squad", ("squad_f1", "squad_em"), {"version": "v1"}),
        "rte": _ACCURACY,
        "wic": _ACCURACY,
        "wsc": _ACCURACY,
    },
)
"""The eight tasks of the SuperGLUE score; the diagnostic sets AX-b and AX-g are not part of it."""


def task_score(
    task: BenchmarkTask, values: Mapping[str, Mapping[str, float | None]]
) -> float | None:
    """The score of one task, 0 to 100: the mean of its numbers, then of its sets.

    Args:
        values: the numbers found on each of `task.sets`.

    Returns:
        None where a number does not exist.

    Raises:
        UsageError: a set is missing, or is not one of the task.

    >>> round(task_score(GLUE.get("mrpc"), {"validation": {"f1": 0.9, "accuracy": 0.85}}), 9)
    87.5
    """
    _check_names("evaluation set", values, task.sets)
    entry = METRICS.get(task.metric)
    settings = entry.settings(**task.options)
    scale = {n.name: 100.0 if n.high <= 1.0 else 1.0 for n in entry.numbers(settings)}
    means = []
    for found in values.values():
        numbers = [
            scale[name] * value for name in task.numbers if (value := found[name]) is not None
        ]
        if len(numbers) < len(task.numbers):
            return None
        means.append(fmean(numbers))
    return fmean(means)


def suite_score(suite: Registry[BenchmarkTask], scores: Mapping[str, float | None]) -> float | None:
    """The mean over all tasks of a suite, each counting once.

    Args:
        scores: `task_score` of every task.

    Returns:
        None where a task has no score.

    Raises:
        UsageError: a task is missing: the mean over some is not the score of the suite.
    """
    _check_names(suite.kind, scores, suite.names())
    known = [score for score in scores.values() if score is not None]
    return fmean(known) if len(known) == len(scores) else None


def _check_names(kind: str, given: Mapping[str, Any], known: tuple[str, ...] | list[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        close = nearest(unknown[0], list(known))
        raise UsageError(
            f"{unknown[0]!r} is no {kind}; there are {', '.join(known)}",
            hint=f"did you mean {close!r}?" if close else None,
        )
    missing = [name for name in known if name not in given]
    if missing:
        raise UsageError(f"{kind} {', '.join(missing)} is missing; the mean is over all of them")
