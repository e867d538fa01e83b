"""The table of evaluation tasks, what each is asked, and what each answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmctl.data.settings import ReadingSettings
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.settings import EvaluationSettings
from llmctl.registry import Registry


@dataclass(frozen=True)
class EvaluationRequest:
    """What is evaluated, on what, and how.

    Attributes:
        model: what `find_model` takes.
        data: what `read_documents` takes, or one packed folder; empty: the run's validation data.
        split: the part that is read of prepared folders and data sets.
        tokenizer: None: the model's own.
        yardstick_counts: token counts of the training data; None: the run's, where there are any.
        bad_rows_file: where rows that cannot be read are listed.
    """

    model: str
    data: tuple[str, ...]
    settings: EvaluationSettings
    reading: ReadingSettings
    split: str = "validation"
    tokenizer: str | None = None
    yardstick_counts: Path | None = None
    bad_rows_file: Path | None = None


@dataclass(frozen=True)
class EvaluationTask:
    """One way to evaluate: the names that gates may use (the main one first), and the work."""

    metrics: tuple[str, ...]
    evaluate: Callable[[EvaluationRequest], Outcome]


EVALUATIONS: Registry[EvaluationTask] = Registry(
    "evaluation task",
    {"perplexity": "llmctl.pipelines.evaluate_perplexity:PERPLEXITY"},
)
