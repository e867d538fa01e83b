"""Larger real data beside the checkout, for checks that are worth keeping where it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """A file or folder of it; the test is skipped where it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


def answers_of(name: str) -> Iterator[list[str]]:
    """The right answers to each question of a file in the shape of SQuAD."""
    for article in json.loads(shared(name).read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield [answer["text"] for answer in question["answers"]]


def damaged(right: list[list[str]], seed: int) -> list[str]:
    """An answer to each question: right, cut, lengthened, in capitals, another one's, or none."""
    generator = np.random.default_rng(seed)

    def answer(number: int) -> str:
        text = right[number][0]
        other = right[generator.integers(len(right))][0]
        half = len(text) // 2
        made = [
            text,
            text,
            text[half:],
            text[:half],
            f"{text} {other}",
            f"the {text.upper()}。",
            other,
            "",
        ]
        return made[generator.integers(len(made))]

    return [answer(number) for number in range(len(right))]
