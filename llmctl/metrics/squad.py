"""Answers to questions by the published SQuAD rules: exact match and F1 of words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from llmctl.errors import DataError
from llmctl.metrics.answers import answer_pairs
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.entry import MetricEntry
from llmctl.section import Section

Version = Literal["v1", "v2"]

_NAMES = {
    "v1": ("squad_f1", "squad_em"),
    "v2": ("squad_f1", "squad_em", "has_answer_f1", "has_answer_em", "no_answer_accuracy"),
}
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class SquadSettings(Section):
    """Options of `squad`."""

    version: Version = Field(
        "v1",
        description="The published rules: v1, every question has an answer; v2, some have none, "
        "and answers that hold nothing but articles and punctuation equal each other",
    )


def squad(
    predictions: Sequence[Any], references: Sequence[Any], *, version: Version = "v1"
) -> Measured:
    """How well answers agree with the best of the right ones, by SQuAD's own rules, 0 to 100.

    Answers are lowercased and lose ASCII punctuation, the articles a, an, the, and spare spaces.
    `squad_em`: the share that is then equal; `squad_f1`: the mean F1 of their words. v1 (Rajpurkar
    et al. 2016) and v2 (Rajpurkar et al. 2018) differ on answers of which nothing is left: the F1
    of "the" against "a" is 0 in v1 and 1 in v2. v2 knows questions without an answer, right when
    the empty text is predicted, and gives the numbers of both sorts too: `has_answer_f1`,
    `has_answer_em`, `no_answer_accuracy`.

    Full-width punctuation stays and Chinese is one word, so `cmrc` is the metric for Chinese.

    Args:
        predictions, references: see `answer_pairs`; in v2 a list of right answers may be empty.

    Raises:
        UsageError, DataError: see `answer_pairs`.

    >>> squad(["the old Rome", "Paris"], [["Rome"], ["Paris.", "in Paris"]]).values()
    {'squad_f1': 83.33333333333333, 'squad_em': 50.0}
    """
    pairs = answer_pairs(predictions, references, may_be_empty=version == "v2")
    scores = np.array([_best(answer, right, version) for answer, right in pairs])
    answered = np.array([[bool(right)] for _, right in pairs], dtype=np.float64)
    statistics = np.hstack([scores, np.ones_like(answered), scores * answered, answered])
    numbers = _numbers_of(version)

    def from_sums(sums: FloatArray) -> FloatArray:
        whole, has = sums[..., 2:3], sums[..., 5:6]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = [sums[..., :2] / whole]
            if version == "v2":
                found.append(sums[..., 3:5] / has)
                found.append((sums[..., 1:2] - sums[..., 4:5]) / (whole - has))
        return 100.0 * np.concatenate(found, axis=-1)

    reasons = dict.fromkeys(("has_answer_f1", "has_answer_em"), "no question has an answer")
    return Measured(
        numbers,
        statistics,
        from_sums=from_sums,
        rates={"squad_em": scores[:, 1]},
        signature={"rules": f"squad-{version}", "version": 1},
        null_reasons={**reasons, "no_answer_accuracy": "every question has an answer"},
    )


@dataclass(frozen=True)
class Threshold:
    """Where to draw the line between an answer and none.

    Attributes:
        threshold: a question gets no answer where its score for that is above it.
        value: the metric, 0 to 100, that comes of it.
    """

    threshold: float
    value: float


def best_no_answer_threshold(
    scores: Sequence[float],
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    number: Literal["f1", "em"] = "f1",
) -> Threshold:
    """The threshold on no-answer scores that gives the best SQuAD v2 number.

    As in the published script, thresholds are 0, for no answers at all, and the scores themselves;
    of equally good ones the lowest is taken. Scores that are equal fall on the same side here,
    where that script can stop between them and report a number that no threshold reaches; and
    where a score is 0 or less, as differences of logits may be, "no answers at all" is below the
    lowest. Choose it on other data than that on which the number is reported.

    Args:
        scores: N numbers, larger where a question rather has no answer.
        predictions: the best answer to each question, as if it had one.
        references: lists of right answers, empty where there is none.
        number: what to make best, `squad_f1` or `squad_em`.

    Raises:
        UsageError, DataError: see `answer_pairs`; scores that are not as many or not finite.

    >>> best_no_answer_threshold([0.1, 0.9], ["Rome", "Paris"], [["Rome"], []])
    Threshold(threshold=0.1, value=100.0)
    """
    pairs = answer_pairs(predictions, references, may_be_empty=True)
    given = np.asarray(scores, dtype=np.float64)
    if given.shape != (len(pairs),) or not np.isfinite(given).all():
        raise DataError(
            f"{len(pairs)} finite no-answer scores were expected, one for each question"
        )
    column = 0 if number == "f1" else 1
    # What a question brings when its answer is kept, against saying that it has none.
    gains = np.array([
        _best(answer, right, "v2")[column] if right else -float(bool(answer))
        for answer, right in pairs
    ])  # fmt: skip
    order = np.argsort(given, kind="stable")
    ends = np.append(given[order][1:] > given[order][:-1], True)
    totals = gains[order].cumsum()[ends]
    unanswered = sum(not right for _, right in pairs)
    best = int(totals.argmax())
    if totals[best] <= 0:
        below = 0.0 if given.min() > 0 else float(np.nextafter(given.min(), -np.inf))
        return Threshold(below, 100.0 * unanswered / len(pairs))
    value = 100.0 * (unanswered + float(totals[best])) / len(pairs)
    return Threshold(float(given[order][ends][best]), value)


def normalized(answer: str) -> str:
    """The form in which answers are compared.

    >>> normalized("  The U.S. -- a  State")
    'us state'
    """
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_NO_PUNCTUATION)).split())


def _best(answer: str, right: Sequence[str], version: Version) -> tuple[float, float]:
    """The best F1 and the best exact match over right answers."""
    said = normalized(answer)
    known = [normalized(text) for text in right]
    if version == "v2":
        known = [text for text in known if text] or [""]
    return max(_f1(said, text, version) for text in known), float(said in known)


def _f1(said: str, known: str, version: Version) -> float:
    if version == "v2" and not (said and known):
        return float(said == known)
    words, others = said.split(), known.split()
    shared = sum((Counter(words) & Counter(others)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(words), shared / len(others)
    return 2 * precision * recall / (precision + recall)


def _numbers_of(version: Version) -> tuple[Number, ...]:
    return tuple(Number(name, 0.0, 100.0, unit="0-100") for name in _NAMES[version])


SQUAD = MetricEntry(
    "squad",
    "answer",
    SquadSettings,
    lambda settings: _numbers_of(settings.version),
    lambda predictions, references, settings: squad(
        predictions, references, version=settings.version
    ),
    "exact match and F1 of answers by the published SQuAD rules, v1 or v2",
)
