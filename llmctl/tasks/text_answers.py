"""Answers that are texts: what is wrong with them, how they are measured, what a guesser says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from llmctl.metrics.base import Measured
from llmctl.tasks.base import Baseline, Problem

END_WORDS = ("<|endoftext|>", "</s>", "<|im_end|>")
"""Names of end tokens that files made for one model write at the end of answers."""


def without_end(text: str, words: Sequence[str]) -> str:
    """
    >>> without_end("yes<|endoftext|>\\n", ["<|endoftext|>"])
    'yes'
    """
    bare = text.rstrip()
    for word in words:
        if word and bare.endswith(word):
            return without_end(bare.removesuffix(word), words)
    return text


def answer_problems(
    contents: Sequence[Hashable], answers: Sequence[Sequence[str]]
) -> Iterator[Problem]:
    """Answers without text, and examples that a part holds twice.

    Args:
        contents: of each example what it consists of.
        answers: of each example the texts that are learnt.

    >>> [problem.kind for problem in answer_problems(["a", "b", "a"], [["x"], [" "], ["x"]])]
    ['empty_answer', 'duplicate']
    """
    first: dict[Hashable, int] = {}
    for number, (content, texts) in enumerate(zip(contents, answers, strict=True)):
        if not all(text.strip() for text in texts):
            yield Problem("empty_answer", number, "an answer is empty")
        if first.setdefault(content, number) != number:
            yield Problem("duplicate", number, f"the same as example {first[content] + 1}")


def measure_texts(
    names: Sequence[str],
    predictions: Sequence[str],
    references: Sequence[str | list[str]],
    settings: Mapping[str, Mapping[str, Any]],
) -> list[Measured]:
    """Texts by metrics of `llmctl.metrics.METRICS`, or by those that give some numbers.

    Args:
        settings: by the metric's name, those that are not as usual.

    Raises:
        UsageError: no metric or number has that name, or one that does not judge texts.
    """
    from llmctl.metrics import METRICS, find_numbers

    if not predictions:
        return []
    found = []
    for name in find_numbers(names):
        entry = METRICS.get(name)
        chosen = entry.settings(**settings.get(name, {}))
        found.append(entry.measure(predictions, references, chosen))
    return found


def most_frequent(answers: Sequence[str], count: int, extract: str | None = None) -> Baseline:
    """A guesser that always gives the most frequent answer; of those that are equally frequent, the
    first.

    Args:
        extract: what is compared of answers (see `exact_match`): the most frequent by that.

    >>> most_frequent(["4 #### 2", "1 + 1 #### 2", "#### 3"], 2, "gsm8k").predictions
    ['4 #### 2', '4 #### 2']
    """
    from llmctl.metrics.exact_match import EXTRACTION_RULES

    keys = list(answers)
    if extract is not None:
        pattern = re.compile(EXTRACTION_RULES.get(extract, extract), re.DOTALL)
        matches = [list(pattern.finditer(answer)) for answer in answers]
        keys = [
            found[-1][found[-1].re.groups and 1] or "" if found else answer
            for found, answer in zip(matches, answers, strict=True)
        ]
    best = Counter(keys).most_common(1)[0][0]
    return Baseline(
        "most frequent", "the most frequent training answer", [answers[keys.index(best)]] * count
    )
