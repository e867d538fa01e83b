"""Blocks: which tokens a training row holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmctl.data.blocks import Blocks
from llmctl.data.documents import Document
from llmctl.data.shards import TokenShards, pack_documents
from llmctl.errors import DataError

END = 99


def corpus(folder: Path, tokens: int, shard_tokens: int = 2**29) -> TokenShards:
    """Documents of two tokens and an end each, numbered through: 0 1 99 3 4 99 6 7 99 ..."""

    def encode(texts: list[str]) -> list[np.ndarray]:
        return [np.array([int(text), int(text) + 1][: tokens - 1 - int(text)]) for text in texts]

    texts = [Document(str(k), str(k), "made") for k in range(0, tokens - 1, 3)]
    pack_documents(
        texts, encode, folder=folder / "packed", vocabulary_size=100, end_of_document_id=END,
        tokenizer_sha256="t", source_sha256="s", shard_tokens=shard_tokens,
    )  # fmt: skip
    shards = TokenShards.open(folder / "packed")
    assert shards.num_tokens == tokens
    return shards


def test_causal_neighbours_share_one_token(tmp_path: Path) -> None:
    blocks = Blocks(corpus(tmp_path, 9), window=5, stride=4)
    rows = blocks.read(np.array([1, 0]))
    assert len(blocks) == 2
    assert rows.tokens.tolist() == [[4, END, 6, 7, END], [0, 1, END, 3, 4]]
    assert rows.lengths.tolist() == [5, 5]
    assert rows.tokens.dtype == np.uint16


def test_the_last_block_is_short_and_padded_with_the_end(tmp_path: Path) -> None:
    blocks = Blocks(corpus(tmp_path, 12), window=5, stride=4)
    rows = blocks.read(np.array([2, 0, 2]))
    assert len(blocks) == 3  # ceil(11 / 4)
    assert rows.tokens.tolist() == [
        [END, 9, 10, END, END],
        [0, 1, END, 3, 4],
        [END, 9, 10, END, END],
    ]
    assert rows.lengths.tolist() == [4, 5, 4]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("tokens", [3, 6, 11, 30])
def test_every_token_after_the_first_is_a_target_once(
    tmp_path: Path, length: int, tokens: int
) -> None:
    shards = corpus(tmp_path, tokens, shard_tokens=7)
    blocks = Blocks(shards, window=length + 1, stride=length)
    assert len(blocks) == -(-(tokens - 1) // length)
    rows = blocks.read(np.arange(len(blocks)))
    targets = [row[1:real] for row, real in zip(rows.tokens, rows.lengths, strict=True)]
    assert min(rows.lengths) >= 2
    assert np.concatenate(targets).tolist() == shards.read(np.array([0]), tokens)[0, 1:].tolist()


def test_blocks_without_overlap_hold_every_token_once(tmp_path: Path) -> None:
    blocks = Blocks(corpus(tmp_path, 9), window=4, stride=4)
    rows = blocks.read(np.arange(3))
    assert rows.lengths.tolist() == [4, 4, 1]
    assert rows.tokens[2].tolist() == [END, END, END, END]


def test_a_corpus_of_one_token_cannot_be_cut_into_causal_rows(tmp_path: Path) -> None:
    shards = corpus(tmp_path, 3)
    with pytest.raises(DataError, match="needs at least 11"):
        Blocks(shards, window=11, stride=1)
