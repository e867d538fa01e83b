"""Words with tags → windows of tokens with targets, and logits of windows → tags of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.tasks.base import Arrays, Encoded, Feature
from llmctl.tasks.tag_schemes import OUTSIDE, entities_of, join_tag, split_tag
from llmctl.tasks.text_words import joined
from llmctl.tasks.token_classification_rows import TaggedWords
from llmctl.tasks.word_windows import Window, word_windows

IGNORED = -100


def encode_words(
    contents: Sequence[TaggedWords],
    tags: Sequence[Sequence[str]] | None,
    labels: Sequence[str],
    tokenizer: Any,
    max_length: int,
    stride: int,
    *,
    all_pieces: bool,
) -> Encoded:
    """The windows of sentences. Each word is a target once: at its first token (or all of them) in
    the window where it is read.

    Args:
        tags: for every word, as the model learns them; None to predict. Unknown ones are no
            targets.
        all_pieces: the other tokens of a word have targets too: of `B-X` and `S-X`, `I-X`.
    """
    windows = word_windows(
        tokenizer, [one.words for one in contents], [one.offsets for one in contents], max_length,
        stride,
    )  # fmt: skip
    read = np.zeros(len(contents), dtype=np.int64)
    targets = np.zeros(len(contents), dtype=np.int64)
    code_of = {label: code for code, label in enumerate(labels)}
    features = []
    for window in windows:
        arrays = dict(window.arrays)
        number_of_targets = 1
        if tags is not None:
            arrays["labels"] = _targets(window, tags[window.sentence], code_of, all_pieces)
            number_of_targets = int((arrays["labels"] != IGNORED).sum())
            targets[window.sentence] += number_of_targets
        read[window.sentence] += len(window.words)
        details = (window.words, window.places)
        features.append(Feature((window.sentence,), arrays, (number_of_targets,), details))
    counts = {
        "windows of rows longer than one": len(windows) - len(contents),
        "words without tokens": sum(len(one.words) for one in contents) - int(read.sum()),
    }
    return Encoded(
        features,
        without_targets=0 if tags is None else int((targets == 0).sum()),
        counts={name: count for name, count in counts.items() if count},
    )


def _targets(
    window: Window, tags: Sequence[str], code_of: Mapping[str, int], all_pieces: bool
) -> NDArray[np.int64]:
    codes = np.array([code_of.get(tag, IGNORED) for tag in tags], dtype=np.int64)
    targets = np.full(len(window.word_of), IGNORED, dtype=np.int64)
    if all_pieces:
        inner = np.array([code_of.get(_inner(tag, code_of), IGNORED) for tag in tags])
        own = np.isin(window.word_of, window.words)
        targets[own] = inner[window.word_of[own]]
    targets[window.places] = codes[window.words]
    return targets


def _inner(tag: str, code_of: Mapping[str, int]) -> str:
    """The tag of a word's tokens after the first.

    >>> _inner("B-LOC", {"B-LOC": 0, "I-LOC": 1}), _inner("NOUN", {"NOUN": 0})
    ('I-LOC', 'NOUN')
    """
    letter, kind = split_tag(tag)
    inside = join_tag("I", kind)
    return inside if letter in ("B", "S") and inside in code_of else tag


def answers(
    contents: Sequence[TaggedWords],
    features: Sequence[Feature],
    outputs: Sequence[Arrays],
    labels: Sequence[str],
    *,
    entities: bool,
) -> list[dict[str, Any]]:
    """A tag for every word. A word without tokens, such as a control character, is outside.

    Args:
        outputs: of each feature, with `logits` [L, C].
        entities: tags make entities, which are given too; else every tag's probability is.
    """
    outside = labels.index(OUTSIDE) if OUTSIDE in labels else 0
    best = [np.full(len(one.words), outside) for one in contents]
    chances = [np.ones(len(one.words)) for one in contents]
    for feature, output in zip(features, outputs, strict=True):
        words, places = feature.details
        logits = output["logits"][places].astype(np.float64)
        likely = np.exp(logits - logits.max(-1, keepdims=True))
        likely /= likely.sum(-1, keepdims=True)
        [sentence] = feature.examples
        best[sentence][words] = likely.argmax(-1)
        chances[sentence][words] = likely.max(-1)
    found = []
    for content, codes, likely in zip(contents, best, chances, strict=True):
        answer: dict[str, Any] = {"prediction": [labels[code] for code in codes.tolist()]}
        if entities:
            answer["entities"] = _entities(content, answer["prediction"], likely)
        else:
            answer["scores"] = likely.tolist()
        if content.text is not None:
            answer["words"] = list(content.words)
        found.append(answer)
    return found


def _entities(
    content: TaggedWords, tags: Sequence[str], chances: NDArray[np.float64]
) -> list[dict[str, Any]]:
    found = []
    for start, end, kind in entities_of(tags):
        entity: dict[str, Any] = {"label": kind, "start_word": start, "end_word": end}
        if content.offsets is None or content.text is None:
            entity["text"] = joined(content.words[start:end])[0]
        else:
            first, last = content.offsets[start][0], content.offsets[end - 1][1]
            entity.update(text=content.text[first:last], start=first, end=last)
        entity["score"] = float(chances[start:end].mean())
        found.append(entity)
    return found
