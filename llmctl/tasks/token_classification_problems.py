"""What may be wrong with the tags of a part: tags out of order, unknown ones, marks that do not
fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llmctl.registry import nearest
from llmctl.tasks.base import Example, Problem
from llmctl.tasks.tag_schemes import (
    OUTSIDE,
    Scheme,
    entities_of,
    first_illegal,
    split_tag,
    write_tags,
)
from llmctl.tasks.token_classification_rows import TaggedWords


def problems_of(
    examples: Sequence[Example], labels: Sequence[str], scheme: Scheme
) -> Iterator[Problem]:
    """The problems of a part, in the order of its rows; those of the part as a whole at the end."""
    classes = [_class(label, scheme) for label in labels]
    seen: set[str] = set()
    without_entity = 0
    for number, example in enumerate(examples):
        content: TaggedWords = example.content
        if content.tags is None:
            continue
        found = dict.fromkeys(_class(tag, scheme) for tag in content.tags)
        seen.update(found)
        without_entity += scheme != "none" and set(found) <= {OUTSIDE}
        if content.offsets is None:
            yield from _illegal(number, content, scheme)
        for name in found:
            if name not in classes:
                close = nearest(name, classes)
                meant = f"; did you mean {close!r}?" if close else ""
                yield Problem("unknown_label", number, f"tag {name!r} is unknown{meant}")
        for text in content.uneven:
            yield Problem("uneven_span", number, f"{text}; whole words are taken")
        for text in content.overlapping:
            yield Problem("overlapping_spans", number, f"{text}, which stays")
    for name in dict.fromkeys(classes):
        if name not in seen and (name != OUTSIDE or scheme == "none"):
            what = "tag" if scheme == "none" else "entity of type"
            yield Problem("empty_class", None, f"no row has the {what} {name!r}")
    if without_entity:
        yield Problem(
            "no_entity", None, f"{without_entity:,} of {len(examples):,} rows have no entity"
        )


def _class(tag: str, scheme: Scheme) -> str:
    """What is learnt of a tag: the type of its entity, or the tag itself.

    >>> _class("I-LOC", "IOB2"), _class("BLOC", "IOB2"), _class("NOUN", "none")
    ('LOC', 'BLOC', 'NOUN')
    """
    letter, kind = split_tag(tag)
    if scheme == "none" or letter == OUTSIDE:
        return tag
    return kind or "B"


def _illegal(number: int, content: TaggedWords, scheme: Scheme) -> Iterator[Problem]:
    tags = list(content.tags or ())
    place = first_illegal(tags, scheme)
    if place is None:
        return
    before = tags[place - 1] if place else "the beginning"
    now = tags[place] if place < len(tags) else "the end"
    last = min(place, len(tags) - 1)
    where = f"word {last + 1}" + (f" (line {content.lines[last]})" if content.lines else "")
    mended = write_tags(entities_of(tags), len(tags), scheme)
    yield Problem(
        "illegal_tags", number, f"{now} at {where} cannot follow {before} in {scheme}",
        mended=replace(content, tags=tuple(mended)),
    )  # fmt: skip
