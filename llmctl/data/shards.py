"""Token shards: documents packed once, then read in place from memory-mapped files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from llmctl.data.documents import Document
from llmctl.data.folder_in_making import folder_in_making
from llmctl.data.megatron_index import index_bytes, read_lengths
from llmctl.data.shard_meta import (
    LARGEST_UINT16_VOCABULARY,
    META_NAME,
    PackedMeta,
    is_packed,
    read_meta,
)
from llmctl.data.shard_writer import ShardWriter
from llmctl.errors import DataError, UsageError
from llmctl.files import sha256_file, write_json

TokenArray = NDArray[np.uint16] | NDArray[np.int32]
Encode = Callable[[list[str]], Sequence[NDArray[np.integer]]]

_BATCH_DOCUMENTS = 1024
_BATCH_BYTES = 1 << 20  # of text; the encoder needs about 150 bytes for each of its tokens


def token_dtype(vocabulary_size: int) -> np.dtype[np.uint16] | np.dtype[np.int32]:
    """
    >>> token_dtype(65_536).name, token_dtype(65_537).name
    ('uint16', 'int32')
    """
    return np.dtype("<u2") if vocabulary_size <= LARGEST_UINT16_VOCABULARY else np.dtype("<i4")


def pack_documents(
    documents: Iterable[Document],
    encode: Encode,
    *,
    folder: Path,
    vocabulary_size: int,
    end_of_document_id: int,
    tokenizer_sha256: str,
    source_sha256: str,
    shard_tokens: int = 2**29,
    on_progress: Callable[[int], None] | None = None,
) -> PackedMeta:
    """Encode documents into a packed folder, which appears only when it is whole.

    Each document is followed by `end_of_document_id`. Memory stays flat: text is encoded in batches
    bounded in documents and in bytes.

    Args:
        encode: texts to arrays of ids, without special tokens.
        on_progress: called with the UTF-8 bytes of every batch that has been written.

    Raises:
        DataError: there is no document, or an id is not below `vocabulary_size`.
        UsageError: the folder holds files that are not a packed corpus.
        StorageError: the disk is full.
        Locked: another process is packing into the same folder.
    """
    if not 0 <= end_of_document_id < vocabulary_size:
        raise DataError(
            f"the end-of-document id {end_of_document_id:,} is not below the vocabulary's "
            f"{vocabulary_size:,} ids"
        )
    _refuse_foreign(folder)
    with folder_in_making(folder) as temporary:
        writer = ShardWriter(
            temporary,
            dtype=token_dtype(vocabulary_size),
            vocabulary_size=vocabulary_size,
            shard_tokens=shard_tokens,
        )
        text = _encode_all(documents, encode, writer, end_of_document_id, on_progress)
        if not writer.shards:
            raise DataError(f"nothing to pack into {folder}: the sources hold no document")
        meta = PackedMeta(
            vocabulary_size=vocabulary_size,
            dtype="uint16" if writer.dtype.name == "uint16" else "int32",
            end_of_document_id=end_of_document_id,
            tokens=sum(shard.tokens for shard in writer.shards),
            documents=sum(shard.documents for shard in writer.shards),
            bytes=text.bytes,
            characters=text.characters,
            empty_documents=text.empty,
            tokenizer_sha256=tokenizer_sha256,
            source_sha256=source_sha256,
            counts_sha256=sha256_file(temporary / "counts.npy"),
            shards=writer.shards,
        )
        write_json(temporary / META_NAME, meta.model_dump())
    return meta


@dataclass
class _TextTotals:
    bytes: int = 0
    characters: int = 0
    empty: int = 0


def _encode_all(
    documents: Iterable[Document],
    encode: Encode,
    writer: ShardWriter,
    end_of_document_id: int,
    on_progress: Callable[[int], None] | None,
) -> _TextTotals:
    totals = _TextTotals()
    for batch, batch_bytes in _batches(documents):
        arrays = encode([document.text for document in batch])
        _check_ids(arrays, batch, len(writer.counts))
        kept = [_with_end(ids, end_of_document_id) for ids in arrays if len(ids)]
        writer.append(kept)
        totals.bytes += batch_bytes
        totals.characters += sum(len(document.text) for document in batch)
        totals.empty += len(arrays) - len(kept)
        if on_progress is not None:
            on_progress(batch_bytes)
    writer.close()
    return totals


class TokenShards:
    """A packed folder, opened for reading: one stream of tokens over all its shards.

    Raises:
        InputMissing: the folder is not there.
        DataError: a file is missing or has the wrong size. (Ids were checked when packing.)
    """

    def __init__(self, folder: Path, meta: PackedMeta) -> None:
        self.folder, self.meta = folder, meta
        self.dtype = np.dtype("<u2") if meta.dtype == "uint16" else np.dtype("<i4")
        _check_sizes(folder, meta, self.dtype.itemsize)
        # Plain arrays over the maps: numpy's memmap class would cost at every read.
        self._shards = [
            np.asarray(np.memmap(folder / f"{shard.name}.bin", dtype=self.dtype, mode="r"))
            for shard in meta.shards
        ]
        self._bounds = np.cumsum([0, *(shard.tokens for shard in meta.shards)])

    @classmethod
    def open(cls, folder: Path) -> TokenShards:
        return cls(folder, read_meta(folder))

    @property
    def num_tokens(self) -> int:
        return self.meta.tokens

    def token_counts(self) -> NDArray[np.int64]:
        """How often each id occurs, [V]."""
        counts: NDArray[np.int64] = np.load(self.folder / "counts.npy", allow_pickle=False)
        return counts

    def document_starts(self) -> NDArray[np.int64]:
        """Where every document begins in the stream, and the end of the last: [documents + 1]."""
        lengths = [read_lengths(self.folder / f"{shard.name}.idx") for shard in self.meta.shards]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])

    def read(self, starts: NDArray[np.int64], length: int) -> TokenArray:
        """The `length` tokens from each of `starts` [B] on: [B, length], in the corpus' own dtype.

        Rows may cross the borders of shards; no row may leave the corpus.
        """
        starts = np.asarray(starts, dtype=np.int64)
        if len(starts) and (starts.min() < 0 or starts.max() + length > self.num_tokens):
            raise IndexError(f"a row leaves the {self.num_tokens} tokens of {self.folder}")
        first = np.searchsorted(self._bounds, starts, side="right") - 1
        last = np.searchsorted(self._bounds, starts + length - 1, side="right") - 1
        tokens: TokenArray = np.empty((len(starts), length), dtype=self.dtype)
        for shard in np.unique(first[first == last]):
            rows = (first == shard) & (last == shard)
            windows = sliding_window_view(self._shards[shard], length)
            tokens[rows] = windows[starts[rows] - self._bounds[shard]]
        crossing = np.flatnonzero(first != last)
        if len(crossing):
            tokens[crossing] = self._read_across(starts[crossing], length)
        return tokens

    def verify(self) -> None:
        """Hash every file again.

        Raises:
            DataError: a file is not what was packed.
        """
        for shard in self.meta.shards:
            _check_hash(self.folder / f"{shard.name}.bin", shard.sha256)
            _check_hash(self.folder / f"{shard.name}.idx", shard.index_sha256)
        _check_hash(self.folder / "counts.npy", self.meta.counts_sha256)

    def _read_across(self, starts: NDArray[np.int64], length: int) -> TokenArray:
        positions = starts[:, None] + np.arange(length)
        owners = np.searchsorted(self._bounds, positions, side="right") - 1
        tokens: TokenArray = np.empty(positions.shape, dtype=self.dtype)
        for shard in np.unique(owners):
            mine = owners == shard
            tokens[mine] = self._shards[shard][positions[mine] - self._bounds[shard]]
        return tokens


def _refuse_foreign(folder: Path) -> None:
    """Packing replaces its folder, so it must not be someone's home."""
    if folder.is_dir() and any(folder.iterdir()) and not is_packed(folder):
        raise UsageError(
            f"{folder} holds other files; nothing was written",
            hint="name a new or empty folder",
        )


def _batches(documents: Iterable[Document]) -> Iterator[tuple[list[Document], int]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text.encode())
        if len(batch) >= _BATCH_DOCUMENTS or size >= _BATCH_BYTES:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size


def _with_end(ids: NDArray[np.integer], end_of_document_id: int) -> NDArray[np.int64]:
    return np.append(ids, end_of_document_id).astype(np.int64, copy=False)


def _check_ids(
    arrays: Sequence[NDArray[np.integer]], batch: Sequence[Document], vocabulary_size: int
) -> None:
    for ids, document in zip(arrays, batch, strict=True):
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < vocabulary_size:
            wrong = int(ids.max()) if int(ids.max()) >= vocabulary_size else int(ids.min())
            raise DataError(
                f"the tokenizer gave id {wrong:,} in document {document.id} of {document.source}, "
                f"but the vocabulary has {vocabulary_size:,} ids",
                hint="use the tokenizer that belongs to the model",
            )


def _check_sizes(folder: Path, meta: PackedMeta, token_bytes: int) -> None:
    expected = {"counts.npy": 128 + 8 * meta.vocabulary_size}
    for shard in meta.shards:
        expected[f"{shard.name}.bin"] = shard.tokens * token_bytes
        expected[f"{shard.name}.idx"] = index_bytes(shard.documents)
    for name, size in expected.items():
        path = folder / name
        if not path.is_file():
            raise DataError(f"{path} is missing; {folder / META_NAME} names it", _again(folder))
        found = path.stat().st_size
        if found != size:
            raise DataError(
                f"{path} has {found:,} bytes; {META_NAME} says {size:,}", hint=_again(folder)
            )
    if meta.tokens != sum(shard.tokens for shard in meta.shards):
        raise DataError(f"{folder / META_NAME} contradicts itself: tokens and shards differ")


def _check_hash(path: Path, expected: str) -> None:
    if sha256_file(path) != expected:
        raise DataError(f"{path} is damaged: its sha256 is not the one of {META_NAME}")


def _again(folder: Path) -> str:
    return f"pack it again: llmctl data pack SOURCES --tokenizer TOKENIZER -o {folder}"
