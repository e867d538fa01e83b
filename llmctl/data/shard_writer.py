"""Writes encoded documents as token shards: `.bin`, `.idx`, counts and hashes."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from llmctl.data.megatron_index import write_index
from llmctl.data.shard_meta import ShardMeta
from llmctl.files import sha256_file, storage_errors


class ShardWriter:
    """Appends documents to shards; a shard ends with the document that fills it.

    A document is never split over two shards, so a shard can be longer than `shard_tokens`.
    """

    def __init__(
        self, folder: Path, *, dtype: np.dtype[np.uint16] | np.dtype[np.int32],
        vocabulary_size: int, shard_tokens: int,
    ) -> None:  # fmt: skip
        self.folder, self.dtype, self.shard_tokens = folder, dtype, shard_tokens
        self.counts = np.zeros(vocabulary_size, dtype=np.int64)
        self.shards: list[ShardMeta] = []
        self._stream: BinaryIO | None = None
        self._lengths = array("i")  # four bytes a document, as in the index
        self._filled = 0
        self._digest = hashlib.sha256()

    def append(self, documents: Sequence[NDArray[np.int64]]) -> None:
        """Add documents that already end in their last token; the caller has checked the ids."""
        pending: list[NDArray[np.int64]] = []
        for document in documents:
            pending.append(document)
            self._lengths.append(len(document))
            self._filled += len(document)
            if self._filled >= self.shard_tokens:
                self._write(pending)
                self._finish_shard()
                pending = []
        self._write(pending)

    def close(self) -> None:
        if self._lengths:
            self._finish_shard()
        with storage_errors(self.folder):
            np.save(self.folder / "counts.npy", self.counts)

    def _write(self, documents: list[NDArray[np.int64]]) -> None:
        if not documents:
            return
        tokens = np.concatenate(documents)
        self.counts += np.bincount(tokens, minlength=len(self.counts))
        payload = tokens.astype(self.dtype).tobytes()
        path = self.folder / f"{self._name()}.bin"
        with storage_errors(path):
            if self._stream is None:
                self._stream = path.open("wb")
            self._stream.write(payload)
        self._digest.update(payload)

    def _finish_shard(self) -> None:
        assert self._stream is not None
        name = self._name()
        with storage_errors(self.folder / f"{name}.bin"):
            self._stream.close()
        index = self.folder / f"{name}.idx"
        write_index(index, np.array(self._lengths, dtype=np.int64), self.dtype)
        self.shards.append(
            ShardMeta(
                name=name,
                tokens=self._filled,
                documents=len(self._lengths),
                sha256=self._digest.hexdigest(),
                index_sha256=sha256_file(index),
            )
        )
        self._stream, self._digest = None, hashlib.sha256()
        self._lengths, self._filled = array("i"), 0

    def _name(self) -> str:
        return f"shard-{len(self.shards):05d}"
