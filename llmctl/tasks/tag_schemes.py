"""Tags that together make entities: their schemes, read and written.

IOB1, IOB2 (or BIO) and BIOES (or BILOU, BMES) say the same in different tags; see Tjong Kim Sang &
Veenstra 1999 and Ratinov & Roth 2009, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Scheme = Literal["none", "IOB1", "IOB2", "BIOES"]

OUTSIDE = "O"
_LETTERS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
_TYPED = re.compile(r"[BIMELSU]-.+", re.DOTALL)


class Entity(NamedTuple):
    """Words `start` to `end`, which is not in it, and their type."""

    start: int
    end: int
    type: str


def split_tag(tag: str) -> tuple[str, str]:
    """The letter of a tag, as BIOES has it, and its type; `O` of what is no tag of a scheme.

    >>> split_tag("B-PER"), split_tag("U-PER"), split_tag("I"), split_tag("NOUN")
    (('B', 'PER'), ('S', 'PER'), ('I', ''), ('O', ''))
    """
    letter, _, kind = tag.partition("-")
    return (_LETTERS[letter], kind) if letter in _LETTERS else (OUTSIDE, "")


def join_tag(letter: str, kind: str) -> str:
    return f"{letter}-{kind}" if kind else letter


def entities_of(tags: Sequence[str]) -> list[Entity]:
    """The entities of a sentence as conlleval reads them: one begins wherever a type does, whether
    or not the tags follow a scheme.

    >>> entities_of(["O", "I-PER", "I-PER", "I-LOC"])
    [Entity(start=1, end=3, type='PER'), Entity(start=3, end=4, type='LOC')]
    """
    found: list[Entity] = []
    start, before, kind_before = 0, OUTSIDE, ""
    for place, (letter, kind) in enumerate([*map(split_tag, tags), (OUTSIDE, "")]):
        goes_on = letter in "IE" and before in "BI" and kind == kind_before
        if before != OUTSIDE and not goes_on:
            found.append(Entity(start, place, kind_before))
        if not goes_on:
            start = place
        before, kind_before = letter, kind
    return found


def write_tags(entities: Iterable[Entity], length: int, scheme: Scheme = "IOB2") -> list[str]:
    """Tags for entities that do not overlap.

    >>> write_tags([Entity(0, 2, "PER"), Entity(2, 3, "PER")], 4, "BIOES")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    tags = [OUTSIDE] * length
    for start, end, kind in entities:
        letters = ["B"] + ["I"] * (end - start - 1)
        if scheme == "BIOES":
            letters[-1] = "E" if len(letters) > 1 else "S"
        tags[start:end] = [join_tag(letter, kind) for letter in letters]
    return tags


def find_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """What scheme tags follow; `none` where each stands alone, as parts of speech do.

    >>> find_scheme([["B-PER", "I-PER", "O"]]), find_scheme([["I-PER", "B-PER"]])
    ('IOB2', 'IOB1')
    >>> find_scheme([["S-PER", "O"]]), find_scheme([["NOUN", "VERB"]])
    ('BIOES', 'none')
    """
    letters: set[str] = set()
    typed = others = 0
    iob1 = iob2 = False
    for tags in sentences:
        before, kind_before = OUTSIDE, ""
        for tag in tags:
            letter, kind = split_tag(tag)
            typed += _TYPED.fullmatch(tag) is not None
            others += tag != OUTSIDE and _TYPED.fullmatch(tag) is None
            letters.add(tag.partition("-")[0] if kind else tag)
            after_same = before != OUTSIDE and kind == kind_before
            iob1 |= letter == "I" and not after_same
            iob2 |= letter == "B" and not after_same
            before, kind_before = letter, kind
    untyped = not typed and letters <= {*_LETTERS, OUTSIDE} and "B" in letters and len(letters) > 1
    if typed < others and not untyped:
        return "none"
    if not typed and not others:
        return "IOB2"
    if letters & {"E", "S", "L", "U", "M"}:
        return "BIOES"
    return "IOB1" if iob1 and not iob2 else "IOB2"


def first_illegal(tags: Sequence[str], scheme: Scheme) -> int | None:
    """The first word whose tag cannot stand after the one before it; the number of words where the
    last tag wants another after it. None: all can.

    Every sequence is legal in IOB1 and where there is no scheme.

    >>> first_illegal(["B-PER", "I-LOC"], "IOB2"), first_illegal(["B-PER"], "BIOES")
    (1, 1)
    """
    if scheme in ("none", "IOB1"):
        return None
    before, kind_before = OUTSIDE, ""
    for place, (letter, kind) in enumerate([*map(split_tag, tags), (OUTSIDE, "")]):
        may_go_on = before != OUTSIDE and before in "BI"
        inside = letter != OUTSIDE and letter in "IE"
        fits = may_go_on and kind == kind_before
        if (inside and not fits) or (scheme == "BIOES" and may_go_on and not inside):
            return place
        before, kind_before = letter, kind
    return None
