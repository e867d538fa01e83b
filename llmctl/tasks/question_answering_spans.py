"""Logits of first and last tokens → the best answers of a question over all its windows.

As the published scripts do it (Devlin et al. 2019, sections 4.2 and 4.3), but no span is left out
because its first token alone is not among the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.tasks.question_answering_features import Places

_CONSIDERED = 512
_SOFTMAX_OVER = 20


class Span(NamedTuple):
    """Characters of a context, and the sum of the logits of first and last token."""

    start: int
    end: int
    logit: float


def best_spans(
    starts: NDArray[Any], ends: NDArray[Any], places: Places, longest: int, count: int
) -> list[Span]:
    """The best spans of a window, best first.

    Args:
        starts, ends: logits [L] that an answer begins and ends with each token.
        longest: words of a span at most.

    Of windows of more than 512 tokens, the 512 likeliest first and last ones are looked at.
    """
    inside = np.flatnonzero(places.starts >= 0)
    if not len(inside):
        return []
    first, last = _likeliest(starts, inside), _likeliest(ends, inside)
    sums = starts[first][:, None].astype(np.float64) + ends[last][None, :]
    words = places.last_words[last][None, :] - places.first_words[first][:, None]
    sums[(last[None, :] < first[:, None]) | (words >= longest)] = -np.inf
    flat = sums.ravel()
    best = np.argpartition(-flat, min(count, len(flat)) - 1)[:count]
    best = best[np.isfinite(flat[best])]
    best = best[np.argsort(-flat[best], kind="stable")]
    rows, columns = np.unravel_index(best, sums.shape)
    return [
        Span(int(places.starts[first[r]]), int(places.ends[last[c]]), float(sums[r, c]))
        for r, c in zip(rows, columns, strict=True)
    ]


def _likeliest(logits: NDArray[Any], inside: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(inside) <= _CONSIDERED:
        return inside
    return np.sort(inside[np.argpartition(-logits[inside], _CONSIDERED)[:_CONSIDERED]])


def merged(spans: Sequence[Span]) -> list[Span]:
    """The spans of all windows of a question, best first; of the same one the best stays.

    >>> merged([Span(0, 4, 1.0), Span(5, 6, 3.0), Span(0, 4, 2.0)])
    [Span(start=5, end=6, logit=3.0), Span(start=0, end=4, logit=2.0)]
    """
    best: dict[tuple[int, int], Span] = {}
    for span in spans:
        known = best.get((span.start, span.end))
        if known is None or span.logit > known.logit:
            best[span.start, span.end] = span
    return sorted(best.values(), key=lambda one: (-one.logit, one.start, one.end))[:_SOFTMAX_OVER]


def answer_of(
    context: str, spans: Sequence[Span], nothing: float | None, threshold: float, count: int
) -> dict[str, Any]:
    """The prediction for a question.

    Args:
        spans: the best ones, best first.
        nothing: the logit of "no answer"; None where every question has one.
        threshold: of the logit of "no answer" over that of the best span, above which there is
            none.
        count: of the best answers that are named.

    Returns:
        `prediction`, empty for "no answer"; its characters `start` to `end` and its `score`, a
        probability among the best 20 spans; `n_best`; and, with `nothing`, `no_answer_score`, the
        logit of "no answer" over that of the best span, and `best_answer`, the best span's text.
    """
    logits = [span.logit for span in spans] + ([] if nothing is None else [nothing])
    chances = _softmax(np.array(logits)).tolist()
    named = [
        {"text": context[s.start : s.end], "start": s.start, "end": s.end, "score": chance}
        for s, chance in zip(spans, chances, strict=False)
    ]
    none: dict[str, Any] = {"text": "", "start": None, "end": None, "score": 0.0}
    if nothing is not None:
        none["score"] = chances[-1]
    lead = None if nothing is None or not spans else nothing - spans[0].logit
    best = none if not spans or (lead is not None and lead > threshold) else named[0]
    answer = {
        "prediction": best["text"], "start": best["start"], "end": best["end"],
        "score": best["score"], "n_best": named[:count],
    }  # fmt: skip
    if nothing is not None:
        answer["no_answer_score"] = lead
        answer["best_answer"] = named[0]["text"] if named else ""
    return answer


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(logits):
        return logits
    likely = np.exp(logits - logits.max())
    found: NDArray[np.float64] = likely / likely.sum()
    return found
