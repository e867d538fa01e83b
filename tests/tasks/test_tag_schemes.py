"""Tags and the entities that they make."""

from __future__ import annotations

import random

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from llmctl.tasks.tag_schemes import entities_of, find_scheme, first_illegal, write_tags

PER_LOC = ["B-PER", "I-PER", "O", "B-LOC"]


@pytest.mark.parametrize("seed", range(50))
def test_entities_are_those_of_seqeval(seed: int) -> None:
    chance = random.Random(seed)
    letters = [f"{letter}-{kind}" for letter in "BIES" for kind in ("PER", "LOC-x")]
    tags = [chance.choice([*letters, "O"]) for _ in range(chance.randint(0, 30))]
    expected = [(start, last + 1, kind) for kind, start, last in get_entities(tags)]
    assert [tuple(entity) for entity in entities_of(tags)] == expected


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        pytest.param(["I-PER", "I-PER", "O", "I-LOC"], "IOB1", id="IOB1"),
        pytest.param(["I-PER", "B-PER", "O"], "IOB1", id="IOB1, two of a type"),
        pytest.param(PER_LOC, "IOB2", id="IOB2"),
        pytest.param([*PER_LOC, "O", "I-PER"], "IOB2", id="IOB2 with a mistake"),
        pytest.param(["B-PER", "E-PER", "S-LOC"], "BIOES", id="BIOES"),
        pytest.param(["B-PER", "L-PER", "U-LOC"], "BIOES", id="BILOU"),
        pytest.param(["B-NAME", "M-NAME", "E-NAME"], "BIOES", id="BMES"),
        pytest.param(["B", "I", "O"], "IOB2", id="without types"),
        pytest.param(["B", "M", "E", "S"], "BIOES", id="words of Chinese"),
        pytest.param(["NN", "VB", "-LRB-", "."], "none", id="parts of speech"),
        pytest.param(["PER", "O", "LOC"], "none", id="types alone"),
        pytest.param([*PER_LOC, "BLOC"], "IOB2", id="a slip of the pen"),
        pytest.param(["O", "O"], "IOB2", id="no entity"),
    ],
)
def test_the_scheme_of_tags(tags: list[str], scheme: str) -> None:
    assert find_scheme([tags]) == scheme


@pytest.mark.parametrize(
    ("tags", "scheme", "place"),
    [
        pytest.param(PER_LOC, "IOB2", None, id="legal"),
        pytest.param(["O", "I-PER"], "IOB2", 1, id="inside after outside"),
        pytest.param(["I-PER"], "IOB2", 0, id="inside at the beginning"),
        pytest.param(["B-PER", "I-LOC"], "IOB2", 1, id="another type"),
        pytest.param(["I-PER", "I-LOC"], "IOB1", None, id="all is legal in IOB1"),
        pytest.param(["B-PER", "E-PER", "S-LOC"], "BIOES", None, id="legal BIOES"),
        pytest.param(["B-PER", "O"], "BIOES", 1, id="never ended"),
        pytest.param(["B-PER", "I-PER"], "BIOES", 2, id="never ended at the end"),
        pytest.param(["S-PER", "E-PER"], "BIOES", 1, id="ended without a beginning"),
    ],
)
def test_the_first_tag_that_cannot_stand(tags: list[str], scheme: str, place: int | None) -> None:
    assert first_illegal(tags, scheme) == place  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["IOB2", "BIOES"])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_legal_and_reads_the_same(scheme: str, seed: int) -> None:
    chance = random.Random(seed)
    tags = [chance.choice(["B-A", "I-A", "E-A", "S-B", "I-B", "O"]) for _ in range(12)]
    written = write_tags(entities_of(tags), len(tags), scheme)  # type: ignore[arg-type]
    assert entities_of(written) == entities_of(tags)
    assert first_illegal(written, scheme) is None  # type: ignore[arg-type]


def test_iob1_becomes_iob2() -> None:
    tags = ["I-PER", "B-PER", "I-LOC", "O"]
    assert write_tags(entities_of(tags), 4) == ["B-PER", "B-PER", "B-LOC", "O"]
