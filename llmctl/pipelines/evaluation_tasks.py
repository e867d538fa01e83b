"""The table of evaluation tasks, what each is asked, and what each answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl.data.settings import ReadingSettings
from llmctl.evaluation.outcome import Outcome
from llmctl.evaluation.settings import EvaluationSettings
from llmctl.registry import Registry
from llmctl.tasks import TASKS


@dataclass(frozen=True)
class EvaluationRequest:
    """What is evaluated, on what, and how.

    Attributes:
        model: what `find_model` takes.
        data: what `read_documents` takes, or one packed folder; empty: the run's validation data.
        settings: the task's own, checked.
        split: the part that is read of prepared folders and data sets.
        tokenizer: None: the model's own.
        yardstick_data: what guessers learn from, a packed folder or the counts.npy of one; None:
            the run's training data, where there are any.
        bad_rows_file: where rows that cannot be read are listed.
    """

    model: str
    data: tuple[str, ...]
    settings: Any
    reading: ReadingSettings
    split: str = "validation"
    tokenizer: str | None = None
    yardstick_data: Path | None = None
    bad_rows_file: Path | None = None


@dataclass(frozen=True)
class EvaluationTask:
    """One way to evaluate.

    Attributes:
        metrics: the names that gates may use, the main one first; a function where they depend on
            the model.
        settings: checks the options.
        yardsticks: the guessers it can be held against.
    """

    metrics: tuple[str, ...] | Callable[[EvaluationRequest], tuple[str, ...]]
    evaluate: Callable[[EvaluationRequest], Outcome]
    settings: type[EvaluationSettings]
    yardsticks: tuple[str, ...] = ("uniform", "unigram")

    def names(self, request: EvaluationRequest) -> tuple[str, ...]:
        """The names that gates may use."""
        return self.metrics(request) if callable(self.metrics) else self.metrics


EVALUATIONS: Registry[EvaluationTask] = Registry(
    "evaluation task",
    {
        "perplexity": "llmctl.pipelines.evaluate_perplexity:PERPLEXITY",
        "masked-lm": "llmctl.pipelines.evaluate_masked:MASKED_LM",
        "pseudo-perplexity": "llmctl.pipelines.evaluate_masked:PSEUDO_PERPLEXITY",
        "seq2seq-perplexity": "llmctl.pipelines.evaluate_seq2seq:SEQ2SEQ_PERPLEXITY",
        "objective": "llmctl.pipelines.evaluate_objective:OBJECTIVE",
        "next-sentence": "llmctl.pipelines.evaluate_objective:NEXT_SENTENCE",
        "sentence-order": "llmctl.pipelines.evaluate_objective:SENTENCE_ORDER",
        "replaced-token": "llmctl.pipelines.evaluate_objective:REPLACED_TOKEN",
        **dict.fromkeys(TASKS, "llmctl.pipelines.evaluate_finetuned:FINETUNED_EVALUATION"),
    },
)
