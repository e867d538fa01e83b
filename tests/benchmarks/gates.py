"""How often significance gates fail builds that are as good as before, and catch real drops.

A thousand builds of each sort: two equal systems (at most 6.4 % may fail a one-sided gate of 5 %,
the sampling error of a thousand builds allowed for), and a real drop as large as the gate printed
that it detects (at least 77 % must fail). Run: python tests/benchmarks/gates.py [BUILDS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from llmctl.evaluation.drops import hold_drops, parse_drops
from llmctl.evaluation.gates import GateResult
from llmctl.evaluation.outcome import Metric, Outcome
from llmctl.metrics import METRICS
from llmctl.pipelines.pairing import System, paired_tests

LEVEL = 0.05
Build = Callable[[np.random.Generator, float], tuple[list[list[Any]], list[Any]]]
"""(draws, size of the drop) → the predictions of two systems, and the references."""


def gate(
    said: list[list[Any]], true: list[Any], metric: str, numbers: Sequence[str]
) -> list[GateResult]:
    """What `llmctl score --baseline … --max-drop NUMBER=0 --significant 0.05` decides."""
    measures = {metric: {"numbers": list(numbers), "settings": {}}}
    systems = [
        System(
            str(one),
            [{"prediction": p, "references": r} for p, r in zip(said[one], true, strict=True)],
            measures,
            {},
        )
        for one in (0, 1)
    ]
    tests = paired_tests(systems[0], systems[1], numbers)
    # Only the differences count: the gate sees them as a baseline of zero.
    metrics = [Metric(n, tests[n].difference, higher_is_better=True) for n in numbers]  # type: ignore[union-attr]
    gates = parse_drops([f"{name}=0" for name in numbers], list(numbers))
    outcome = Outcome(metrics, signature={})
    return hold_drops(gates, outcome, dict.fromkeys(numbers, 0.0), tests, LEVEL)


def classifier(examples: int, disagreement: float) -> Build:
    """Labels that two systems have right four times in five, apart on so many by chance."""

    def build(draws: np.random.Generator, drop: float) -> tuple[list[list[Any]], list[Any]]:
        kind = draws.random(examples)
        first = (kind < disagreement / 2 + drop) | (kind >= disagreement + drop + 0.2)
        second = kind >= disagreement / 2 + drop
        second &= (kind < disagreement + drop) | (kind >= disagreement + drop + 0.2)
        return [[int(right) for right in one] for one in (first, second)], [1] * examples

    return build


class Translator:
    """Sentences of which a system gets each word with a chance of the sentence's own, 0.6 to 0.95;
    a drop is a share of the words lost everywhere."""

    def __init__(self, sentences: int, words: int = 20) -> None:
        self.sentences = sentences
        self.reference = " ".join(f"w{place}" for place in range(words))
        self.words = self.reference.split()

    def build(self, draws: np.random.Generator, loss: float) -> tuple[list[list[Any]], list[Any]]:
        easy = draws.uniform(0.6, 0.95, self.sentences)
        said = [self._say(draws, easy, 0.0), self._say(draws, easy, loss)]
        return said, [self.reference] * self.sentences

    def loss_for(self, metric: str, number: str, drop: float) -> float:
        """The share of words to lose for a drop, found on 20,000 sentences."""
        entry = METRICS.get(metric)
        easy = np.random.default_rng(1).uniform(0.6, 0.95, 20_000)

        def score(loss: float) -> float:
            said = self._say(np.random.default_rng(2), easy, loss)
            found = entry.measure(said, [self.reference] * len(said), entry.settings())
            return found.values()[number] or 0.0

        best, low, high = score(0.0), 0.0, 0.2
        for _ in range(10):
            middle = (low + high) / 2
            low, high = (low, middle) if best - score(middle) > drop else (middle, high)
        return (low + high) / 2

    def _say(self, draws: np.random.Generator, easy: Any, loss: float) -> list[str]:
        hits = draws.random((len(easy), len(self.words))) < easy[:, None] * (1 - loss)
        return [
            " ".join(word if hit else "miss" for word, hit in zip(self.words, row, strict=True))
            for row in hits
        ]


def run(
    name: str, build: Build, metric: str, numbers: Sequence[str], builds: int,
    for_drop: Callable[[float], float] = lambda drop: drop,
) -> None:  # fmt: skip
    start = time.perf_counter()
    equal = [
        gate(*build(np.random.default_rng([1, number]), 0.0), metric, numbers)
        for number in range(builds)
    ]
    failed = fmean(any(one.verdict == "failed" for one in held) for held in equal)
    line = f"{name}: equal systems fail {failed:.1%} of {builds:,} builds"
    if len(numbers) == 1:
        size = fmean(held[0].evidence["detectable_drop"] for held in equal)
        amount = for_drop(size)
        worse = [
            gate(*build(np.random.default_rng([2, number]), amount), metric, numbers)[0]
            for number in range(builds)
        ]
        caught = fmean(one.verdict == "failed" for one in worse)
        true_drop = fmean(one.evidence["drop"] for one in worse)
        line += f"; a drop of {true_drop:.3g} (printed: {size:.3g}) fails {caught:.1%}"
    print(f"{line} [{time.perf_counter() - start:.0f} s]", flush=True)


if __name__ == "__main__":
    builds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for examples, apart in ((1000, 0.06), (300, 0.15), (200, 0.02)):
        run(
            f"accuracy, {examples} examples, {apart:.0%} apart (McNemar)",
            classifier(examples, apart), "classification", ["accuracy"], builds,
        )  # fmt: skip
    translator = Translator(200)
    for metric, number in (("bleu", "bleu"), ("rouge", "rouge_l")):
        run(
            f"{number}, 200 sentences (randomisation)", translator.build, metric, [number], builds,
            partial(translator.loss_for, metric, number),
        )  # fmt: skip
    four = ["rouge_1", "rouge_2", "rouge_l", "rouge_lsum"]
    run("four gates on ROUGE (Holm)", translator.build, "rouge", four, builds)
