"""A tag for each word: precision, recall and F1 of whole entities, as seqeval counts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from llmctl.errors import DataError
from llmctl.metrics.base import FloatArray, Measured, Number
from llmctl.metrics.class_counts import (
    ClassCounts,
    ClassScore,
    averages,
    class_scores,
    share,
)
from llmctl.metrics.entry import MetricEntry
from llmctl.metrics.labels import codes_of, same_length, say
from llmctl.section import Section

Scheme = Literal["iob1", "iob2", "ioe1", "ioe2", "iobes", "bilou"]
Entity = tuple[str, int, int]
"""Type, first word, last word (or the one after it, in strict mode)."""

_LETTERS: dict[str, str] = {
    "default": "BIES", "iob1": "BI", "iob2": "BI", "ioe1": "IE", "ioe2": "IE", "iobes": "BIES",
    "bilou": "BILU",
}  # fmt: skip

ENTITY_NUMBERS = tuple(
    Number(f"seqeval_{name}", 0.0, 1.0)
    for name in ("f1", "precision", "recall", "f1_macro", "f1_weighted", "accuracy")
)
TAG_NUMBERS = tuple(
    Number(f"tag_{name}", 0.0, 1.0) for name in ("accuracy", "f1_macro", "f1_weighted")
)


class SeqevalSettings(Section):
    """Options of `seqeval`."""

    mode: Literal["default", "strict"] = Field(
        "default",
        description="How tags that break the scheme are read: default, as conlleval does, an "
        "entity beginning wherever its type does; strict, as no entity",
    )
    scheme: Scheme = Field("iob2", description="The tag scheme; strict mode only")


class TagSettings(Section):
    """`tags` has no options."""


def seqeval(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    mode: Literal["default", "strict"] = "default",
    scheme: Scheme = "iob2",
) -> Measured:
    """How many entities are found whole: same first word, last word and type.

    `seqeval_f1`, `seqeval_precision` and `seqeval_recall` over all entities (micro), `_f1_macro`
    and `_f1_weighted` over the types that occur, `seqeval_accuracy` over tags. All numbers are
    seqeval's.

    The modes differ where tags break their scheme, as predictions often do: `default` reads
    `O I-PER` as an entity, as conlleval does, and reads IOB1, IOB2, IOE and IOBES alike; `strict`
    as none.

    Args:
        predictions, references: N sentences each, a list of tags such as `B-PER` and `O` for each.
        scheme: of `strict` mode. BILOU needs it.

    Raises:
        UsageError: predictions or references are no list.
        DataError: a sentence whose tags are not as many on both sides, or a tag that the scheme
            does not have, with its row.

    >>> seqeval([["B-PER", "O", "I-LOC"]], [["B-PER", "O", "B-LOC"]]).values()["seqeval_f1"]
    1.0
    >>> found = seqeval([["B-PER", "O", "I-LOC"]], [["B-PER", "O", "B-LOC"]], mode="strict")
    >>> found.values()["seqeval_f1"], found.values()["seqeval_precision"]
    (0.6666666666666666, 1.0)
    """
    types, counts = _entity_counts(predictions, references, mode, scheme)
    tags = np.array([
        [sum(one == other for one, other in zip(said, true, strict=True)), len(true)]
        for said, true in zip(predictions, references, strict=True)
    ], dtype=np.float64)  # fmt: skip

    def from_sums(sums: FloatArray) -> FloatArray:
        found = averages(ClassCounts.of_columns(sums[..., : 3 * len(types)]))
        names = ("f1_micro", "precision_micro", "recall_micro", "f1_macro", "f1_weighted")
        with np.errstate(invalid="ignore"):
            accuracy = sums[..., -2] / sums[..., -1]
        return np.stack([*(found[name] for name in names), accuracy], axis=-1)

    return Measured(
        ENTITY_NUMBERS,
        np.hstack([counts.reshape(len(counts), -1), tags]),
        from_sums=from_sums,
        signature={
            "mode": mode,
            **({"scheme": scheme} if mode == "strict" else {}),
            "version": 1,
        },
        null_reasons={
            "seqeval_f1_macro": "no entity on either side",
            "seqeval_accuracy": "no sentence has a word",
        },
    )


def per_type(
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    mode: Literal["default", "strict"] = "default",
    scheme: Scheme = "iob2",
) -> list[ClassScore]:
    """Precision, recall, F1 and entities of each type; arguments and errors of `seqeval`.

    >>> [(one.label, one.f1) for one in per_type([["B-PER", "O"]], [["B-PER", "B-LOC"]])]
    [('LOC', 0.0), ('PER', 1.0)]
    """
    types, counts = _entity_counts(predictions, references, mode, scheme)
    return class_scores(types, ClassCounts(*counts.sum(0)))


def tags(predictions: Sequence[Any], references: Sequence[Any]) -> Measured:
    """How many single tags are right, for tags that each stand alone, such as parts of speech.

    `tag_accuracy`, `tag_f1_macro` and `tag_f1_weighted` over all words, as scikit-learn has them on
    the joined sentences.

    Raises:
        UsageError: predictions or references are no list.
        DataError: a sentence whose tags are not as many on both sides.

    >>> tags([["NOUN", "VERB"]], [["NOUN", "NOUN"]]).values()["tag_accuracy"]
    0.5
    """
    _check_sentences(predictions, references)
    found = sorted({tag for side in (predictions, references) for row in side for tag in row})
    counts = np.zeros((len(references), 3, len(found)))
    for row, (said, true) in enumerate(zip(predictions, references, strict=True)):
        codes = codes_of(said, found), codes_of(true, found)
        for part, places in enumerate((codes[0][codes[0] == codes[1]], *codes)):
            counts[row, part] = np.bincount(places, minlength=len(found))

    def from_sums(sums: FloatArray) -> FloatArray:
        counted = ClassCounts.of_columns(sums)
        mean = averages(counted)
        accuracy = share(counted.right.sum(-1), counted.actual.sum(-1))
        return np.stack([accuracy, mean["f1_macro"], mean["f1_weighted"]], axis=-1)

    return Measured(
        TAG_NUMBERS,
        counts.reshape(len(counts), -1),
        from_sums=from_sums,
        signature={"tags": "seen", "zero_division": 0, "version": 1},
        null_reasons={"tag_f1_macro": "no sentence has a word"},
    )


def _entity_counts(
    predictions: Sequence[Any], references: Sequence[Any], mode: str, scheme: Scheme
) -> tuple[list[str], FloatArray]:
    """All types, and of each sentence the right, predicted and true entities of each: [N, 3, T]."""
    _check_sentences(predictions, references)
    letters = "default" if mode == "default" else scheme
    for name, sentences in (("prediction", predictions), ("reference", references)):
        for row, sentence in enumerate(sentences, 1):
            _check_tags(sentence, letters, f"{name} {row}")
    entities = _default_entities if mode == "default" else _strict_entities(scheme)
    said = [set(entities(list(sentence))) for sentence in predictions]
    true = [set(entities(list(sentence))) for sentence in references]
    types = sorted({kind for side in (said, true) for row in side for kind, _, _ in row})
    counts = np.zeros((len(true), 3, len(types)))
    for row, (one, other) in enumerate(zip(said, true, strict=True)):
        for part, found in enumerate((one & other, one, other)):
            places = codes_of([kind for kind, _, _ in found], types)
            counts[row, part] = np.bincount(places, minlength=len(types))
    return types, counts


def _default_entities(tags: list[str]) -> list[Entity]:
    """As conlleval and seqeval read them, whose import would take longer than the reading.

    An entity goes on while its type does, until a tag that begins one (B, S) or after one that
    ends it (E, S).

    >>> _default_entities(["I-PER", "I-PER", "B-PER", "I-LOC"])
    [('PER', 0, 1), ('PER', 2, 2), ('LOC', 3, 3)]
    """
    found: list[Entity] = []
    start, before, kind_before = 0, "O", ""
    for word, tag in enumerate([*tags, "O"]):
        letter, kind = tag[0], tag[2:] or "_"
        begins = letter in "BS" or before in "OES" or kind != kind_before
        if before != "O" and (letter == "O" or begins):
            found.append((kind_before, start, word - 1))
        if begins:
            start = word
        before, kind_before = letter, kind
    return found


def _strict_entities(scheme: Scheme) -> Callable[[list[str]], list[Entity]]:
    from seqeval import scheme as schemes

    reader = getattr(schemes, scheme.upper())

    def read(tags: list[str]) -> list[Entity]:
        return [entity.to_tuple()[1:] for entity in schemes.Tokens(tags, reader).entities]

    return read


def _check_sentences(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    same_length(predictions, references)
    for row, (said, true) in enumerate(zip(predictions, references, strict=True), 1):
        for name, sentence in (("prediction", said), ("reference", true)):
            if not isinstance(sentence, list | tuple) or not all(
                isinstance(t, str) for t in sentence
            ):
                raise DataError(
                    f"{name} {row} is {say(sentence)}; a list with a tag for each word was expected"
                )
        if len(said) != len(true):
            raise DataError(
                f"row {row} has {len(said)} predicted tags and {len(true)} reference tags; one for "
                "each word was expected on both sides",
                hint="a sentence that was cut needs a tag for its lost words, such as 'O'",
            )


def _check_tags(sentence: Sequence[str], letters: str, where: str) -> None:
    for word, tag in enumerate(sentence, 1):
        if tag == "O" or (tag[:1] in _LETTERS[letters] and tag[:1] and tag[1:2] in ("-", "")):
            continue
        if letters == "default" and tag[:2] in ("L-", "U-"):
            hint = "BILOU tags are read with mode=strict scheme=bilou"
        else:
            hint = "tags that each stand alone, such as parts of speech, are the metric `tags`"
        known = ", ".join(f"{letter}-TYPE" for letter in _LETTERS[letters])
        raise DataError(f"{where}, word {word}: tag {tag!r} is none of O, {known}", hint=hint)


SEQEVAL = MetricEntry(
    "seqeval",
    "tags",
    SeqevalSettings,
    lambda _: ENTITY_NUMBERS,
    lambda predictions, references, settings: seqeval(
        predictions, references, mode=settings.mode, scheme=settings.scheme
    ),
    "F1, precision and recall of whole entities (micro, macro, weighted), as conlleval or strictly "
    "by scheme",
)

TAGS = MetricEntry(
    "tags",
    "tags",
    TagSettings,
    lambda _: TAG_NUMBERS,
    lambda predictions, references, _: tags(predictions, references),
    "accuracy and F1 of single tags, such as parts of speech",
)
