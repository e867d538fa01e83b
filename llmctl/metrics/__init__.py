"""Metrics: (predictions, references) → named numbers with signature and per-example statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmctl.errors import UsageError
from llmctl.metrics.base import Number
from llmctl.metrics.entry import MetricEntry
from llmctl.registry import Registry, nearest
from llmctl.section import Section

METRICS: Registry[MetricEntry] = Registry(
    "metric",
    {
        # Text against reference texts
        "bleu": "llmctl.metrics.bleu:BLEU",
        "chrf": "llmctl.metrics.chrf:CHRF",
        "chrf_plus_plus": "llmctl.metrics.chrf:CHRF_PLUS_PLUS",
        "ter": "llmctl.metrics.ter:TER",
        "rouge": "llmctl.metrics.rouge:ROUGE",
        "exact_match": "llmctl.metrics.exact_match:EXACT_MATCH",
        # Text by itself
        "distinct": "llmctl.metrics.distinct:DISTINCT",
        "repetition": "llmctl.metrics.repetition:REPETITION",
        # Labels, numbers, tags
        "classification": "llmctl.metrics.classification:CLASSIFICATION",
        "multi_label": "llmctl.metrics.multi_label:MULTI_LABEL",
        "correlation": "llmctl.metrics.correlation:CORRELATION",
        "auc": "llmctl.metrics.ranking:AUC",
        "calibration": "llmctl.metrics.calibration:CALIBRATION",
        "seqeval": "llmctl.metrics.tagging:SEQEVAL",
        "tags": "llmctl.metrics.tagging:TAGS",
        # Answers to questions
        "squad": "llmctl.metrics.squad:SQUAD",
        "cmrc": "llmctl.metrics.cmrc:CMRC",
    },
)
"""Every metric by its name. The names of their numbers are unique over the whole table."""


def find_numbers(
    names: Sequence[str], settings: Mapping[str, Section] | None = None
) -> dict[str, list[str]]:
    """The metrics that give some numbers, each with those of its numbers that were asked for.

    A name is that of a metric, which stands for all its numbers, or that of one number.

    Args:
        settings: by the metric's name, where they are not the usual ones.

    Raises:
        UsageError: neither a metric nor a number has that name.

    >>> find_numbers(["rouge_l", "bleu", "rouge_1"])
    {'rouge': ['rouge_l', 'rouge_1'], 'bleu': ['bleu']}
    """
    found: dict[str, list[str]] = {}
    giver_of: dict[str, str] = {}
    for name in names:
        if name in METRICS:
            metric, asked = name, _numbers_of(name, settings)
        else:
            giver_of = giver_of or {n: m for m in METRICS for n in _numbers_of(m, settings)}
            if name not in giver_of:
                raise _unknown(name, giver_of)
            metric, asked = giver_of[name], [name]
        known = found.setdefault(metric, [])
        known.extend(number for number in asked if number not in known)
    return found


def number_called(name: str) -> Number:
    """What is known of a number before it is measured: its range and direction.

    Raises:
        UsageError: no metric of the table gives it.

    >>> number_called("ter").higher_is_better
    False
    """
    metric = next(iter(find_numbers([name])))
    entry = METRICS.get(metric)
    return next(number for number in entry.numbers(entry.settings()) if number.name == name)


def _numbers_of(metric: str, settings: Mapping[str, Section] | None) -> list[str]:
    entry = METRICS.get(metric)
    chosen = (settings or {}).get(metric) or entry.settings()
    return [number.name for number in entry.numbers(chosen)]


def _unknown(name: str, giver_of: Mapping[str, str]) -> UsageError:
    close = nearest(name, [*METRICS, *giver_of])
    return UsageError(
        f"no metric or number is called {name!r}; the metrics are {', '.join(METRICS)}",
        hint=f"did you mean {close!r}?" if close else None,
    )
