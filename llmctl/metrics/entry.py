"""What the table of metrics holds about each metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmctl.metrics.base import Measured, Number
from llmctl.section import Section

Kind = Literal["text", "label", "labels", "number", "probabilities", "tags", "answer"]
"""What one prediction is, and one reference with it:

    text            a string; the reference one string, or several
    label           one of some classes
    labels          any number of classes at once
    number          a real number
    probabilities   a probability for each class; the reference is a label
    tags            a tag for each word of a sentence
    answer          a string; the reference a list of answers, empty where there is none
"""


@dataclass(frozen=True)
class MetricEntry:
    """One metric of the table.

    Attributes:
        name: as in `--metric`, such as `rouge`.
        kind: what predictions and references are.
        settings: its options; `settings()` has the usual ones.
        numbers: what it will give under some settings, the main one first, before anything is
            measured: gates are checked by these names.
        measure: (predictions, references, settings) → what was found. References lie per
            prediction: `references[i]` belongs to `predictions[i]`.
        needs_references: False where predictions are judged by themselves; references are then
            not looked at, and may be empty.
    """

    name: str
    kind: Kind
    settings: type[Section]
    numbers: Callable[[Any], tuple[Number, ...]]
    measure: Callable[[Sequence[Any], Sequence[Any], Any], Measured]
    description: str
    needs_references: bool = True


def called_with(
    function: Callable[..., Measured],
) -> Callable[[Sequence[Any], Sequence[Any], Section], Measured]:
    """The `measure` of an entry whose settings are, name for name, the keywords of `function`."""
    return lambda predictions, references, settings: function(
        predictions, references, **dict(settings)
    )
