"""The statistics of each example that sacreBLEU adds up to a score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from llmctl.metrics.base import FloatArray

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric


def segment_statistics(metric: Metric, pairs: Sequence[tuple[str, list[str]]]) -> FloatArray:
    """What `metric` counts in each example: [N, K].

    sacreBLEU's own significance tests take the same rows. It wants references by stream; a place
    where an example has fewer than others is None there.
    """
    streams = list(zip_longest(*(references for _, references in pairs)))
    rows = metric._extract_corpus_statistics([hypothesis for hypothesis, _ in pairs], streams)
    return np.array(rows, dtype=np.float64)


def signature_of(metric: Metric) -> dict[str, object]:
    """sacreBLEU's signature, its version last; known once examples were counted."""
    info = dict(metric.get_signature().info)
    version = info.pop("version")
    said = {name: value for name, value in info.items() if value is not None}
    words = {True: "yes", False: "no"}
    parts = {n: words[v] if isinstance(v, bool) else v for n, v in said.items()}
    return {**parts, "version": version}
