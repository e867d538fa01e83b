"""Reads Parquet files and `datasets` data sets: tables that carry their own types."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from llmctl.data.inputs import InputFile
from llmctl.data.opening import open_raw, open_stream
from llmctl.data.rows import OnBytes, Row, RowError, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError, InputMissing, NetworkError

_BATCH_BYTES = 8 << 20
_LARGEST_BATCH = 1024
_CHUNK_BYTES = 1 << 20
_SPLITS = ("train", "validation", "test", "dev", "all")


def read_parquet(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:  # noqa: ARG001
    """The rows of a Parquet file, a bounded batch at a time."""
    import pyarrow
    from pyarrow import parquet

    done = 0
    with _seekable(file) as source:
        try:
            table = parquet.ParquetFile(source, pre_buffer=False)
            metadata = table.metadata
            size = sum(
                metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups)
            )
            row_bytes = max(1, size // max(1, metadata.num_rows))
            rows = min(_LARGEST_BATCH, max(1, _BATCH_BYTES // row_bytes))
            for batch in table.iter_batches(batch_size=rows):
                yield from _batch_rows(batch, done)
                done += len(batch)
                on_bytes((file.size or 0) * len(batch) // max(1, metadata.num_rows))
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{file.path} is damaged or not a Parquet file: {done:,} rows were read before the "
                f"fault ({_first_line(error)})",
                hint="copy or download the file again",
            ) from error


def read_dataset(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:  # noqa: ARG001
    """The rows of a data set on the Hub, or saved with `save_to_disk`.

    `datasets:NAME[:CONFIG][:SPLIT]`; a lone second word that names a split is taken as one.
    """
    dataset = _load_dataset(file)
    done = 0
    for table in dataset.with_format("arrow").iter(batch_size=256):
        yield from _batch_rows(table, done)
        done += len(table)


@contextmanager
def _seekable(file: InputFile) -> Iterator[BinaryIO]:
    """Parquet is read from its end: a compressed file is unpacked to disk first."""
    if file.compression is None:
        with open_raw(file) as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as unpacked:
        with open_stream(file, lambda _: None) as packed:
            while chunk := packed.read(_CHUNK_BYTES):
                unpacked.write(chunk)
        unpacked.seek(0)
        yield unpacked


def _batch_rows(batch: Any, done: int) -> Rows:
    try:
        for number, value in enumerate(batch.to_pylist(), start=done + 1):
            yield Row(number, value)
        return
    except UnicodeDecodeError:
        pass
    for index in range(len(batch)):  # one text is not UTF-8: find it
        try:
            yield Row(done + index + 1, batch.slice(index, 1).to_pylist()[0])
        except UnicodeDecodeError:
            yield RowError("holds text that is not UTF-8").at(done + index + 1)


def parse_dataset_name(name: str) -> tuple[str, str | None, str | None]:
    """The path or name, configuration and split of `NAME[:CONFIG][:SPLIT]`.

    >>> parse_dataset_name("org/name:20231101.en:train[:5%]")
    ('org/name', '20231101.en', 'train[:5%]')
    >>> parse_dataset_name("org/name:train"), parse_dataset_name("org/name:de")
    (('org/name', None, 'train'), ('org/name', 'de', None))
    """
    path, _, rest = name.partition(":")
    split = re.search(rf"(?:^|:)((?:{'|'.join(_SPLITS)})(?:\[.*\])?(?:\+.*)?)$", rest)
    if split:
        return path, rest[: split.start()] or None, split.group(1)
    config, _, other = rest.partition(":")
    return path, config or None, other or None


def _load_dataset(file: InputFile) -> Any:
    path, config, split = parse_dataset_name(file.path.removeprefix("datasets:"))
    split = split or (file.split if file.split != "all" else "train")
    if Path(path).expanduser().is_dir():
        return _load_saved(Path(path).expanduser(), split)
    import datasets

    try:
        return datasets.load_dataset(path, config, split=split)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise InputMissing(
            f"data set {path}: no such folder here, and none of that name on the Hub "
            f"({_first_line(error)})"
        ) from error
    except ValueError as error:  # an unknown configuration or split; the message lists them
        raise InputMissing(f"data set {path}: {_first_line(error)}") from error
    except (OSError, datasets.exceptions.DatasetsError) as error:
        raise NetworkError(
            f"data set {path}: no such folder here, and the Hub cannot be reached "
            f"({_first_line(error)})",
            hint="check the name, the network, HF_ENDPOINT and HF_HUB_OFFLINE",
        ) from error


def _load_saved(folder: Path, split: str) -> Any:
    import datasets

    try:
        dataset = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise DataError(f"{folder} is not a data set that can be read: {error}") from error
    if not isinstance(dataset, datasets.DatasetDict):
        return dataset
    if split not in dataset:
        raise InputMissing(
            f"data set {folder} has no split {split!r}; it has {', '.join(dataset)}",
            hint=f"datasets:{folder}:{next(iter(dataset))}",
        )
    return dataset[split]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
