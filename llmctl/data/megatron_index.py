"""The `.idx` file of Megatron-LM beside each token file: where every document lies.

Layout (Megatron-LM, `core/datasets/indexed_dataset.py`), little-endian: magic, version uint64,
dtype code uint8, number of sequences uint64, number of document borders uint64, then sequence
lengths in tokens int32, byte offsets of the sequences int64, and document borders int64. Here a
document is one sequence, so the borders are 0, 1, 2 ...
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from llmctl.errors import DataError
from llmctl.files import storage_errors

_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
_HEADER = struct.Struct("<QBQQ")
_DTYPE_CODES = {"int32": 4, "uint16": 8}


def index_bytes(documents: int) -> int:
    """Size of the index of a shard, for checking it without reading it.

    >>> index_bytes(1) - index_bytes(0)
    20
    """
    return len(_MAGIC) + _HEADER.size + documents * (4 + 8) + (documents + 1) * 8


def write_index(path: Path, lengths: NDArray[np.int64], dtype: DTypeLike) -> None:
    """Write the index of documents of these `lengths` (tokens), stored as `dtype` in a row."""
    token_type = np.dtype(dtype)
    offsets = np.zeros(len(lengths), dtype="<i8")
    np.cumsum(lengths[:-1] * token_type.itemsize, out=offsets[1:])
    borders = np.arange(len(lengths) + 1, dtype="<i8")
    with storage_errors(path), path.open("wb") as stream:
        stream.write(_MAGIC)
        code = _DTYPE_CODES[token_type.name]
        stream.write(_HEADER.pack(_VERSION, code, len(lengths), len(borders)))
        stream.write(lengths.astype("<i4").tobytes())
        stream.write(offsets.tobytes())
        stream.write(borders.tobytes())


def read_lengths(path: Path) -> NDArray[np.int64]:
    """The length in tokens of every document of a shard.

    Raises:
        DataError: it is not such an index, or it is cut short.
    """
    start = len(_MAGIC) + _HEADER.size
    with path.open("rb") as stream:
        head = stream.read(start)
        if len(head) < start or head[: len(_MAGIC)] != _MAGIC:
            raise DataError(f"{path} is not a Megatron index (its first bytes are not MMIDIDX)")
        version, _, sequences, _ = _HEADER.unpack(head[len(_MAGIC) :])
        if version != _VERSION:
            raise DataError(f"{path} is a Megatron index of version {version}; expected {_VERSION}")
        payload = stream.read(4 * sequences)
    if len(payload) < 4 * sequences:
        raise DataError(f"{path} is cut short: it should list {sequences:,} documents")
    return np.frombuffer(payload, dtype="<i4").astype(np.int64)
