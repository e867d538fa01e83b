"""Parquet files and saved data sets."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from reading import bad_rows, made, read, texts

from llmctl.data.read_arrow import parse_dataset_name
from llmctl.errors import DataError, InputMissing, NetworkError


def table(folder: Path, rows: list[dict[str, object]], name: str = "a.parquet") -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / name)
    return folder / name


def test_parquet_rows_are_documents_with_their_other_columns(tmp_path: Path) -> None:
    documents, _ = read(table(tmp_path, [{"text": "one", "n": 1}, {"text": "二", "n": 2}]))
    assert [document.text for document in documents] == ["one", "二"]
    assert documents[1].metadata == {"n": 2}


def test_a_null_text_is_set_aside(tmp_path: Path) -> None:
    file = table(tmp_path, [{"text": "one"}, {"text": None}])
    assert bad_rows(file) == [(2, "column 'text' holds null; expected text")]


def test_a_text_that_is_not_utf8_is_set_aside_alone(tmp_path: Path) -> None:
    buffers = [None, pyarrow.py_buffer(b"\0\0\0\0\3\0\0\0\5\0\0\0\7\0\0\0"),
               pyarrow.py_buffer(b"one\xff\xfeok")]  # fmt: skip
    column = pyarrow.Array.from_buffers(pyarrow.string(), 3, buffers)
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == ["one", "ok"]
    assert bad_rows(tmp_path / "a.parquet") == [(2, "holds text that is not UTF-8")]


def test_compressed_parquet_is_unpacked_first(tmp_path: Path) -> None:
    import gzip

    data = table(tmp_path, [{"text": "one"}]).read_bytes()
    assert texts(made(tmp_path, "b.parquet.gz", gzip.compress(data))) == ["one"]


def test_a_cut_parquet_file_is_refused(tmp_path: Path) -> None:
    data = table(tmp_path, [{"text": "one"}]).read_bytes()
    with pytest.raises(DataError, match="damaged or not a Parquet file: 0 rows"):
        texts(made(tmp_path, "cut.parquet", data[:-20]))


def test_an_unknown_column_of_a_parquet_file_is_exit_66(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="its columns are text"):
        texts(table(tmp_path, [{"text": "one"}]), text_column="body")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("org/name", ("org/name", None, None)),
        ("org/name:test", ("org/name", None, "test")),
        ("org/name:20231101.en", ("org/name", "20231101.en", None)),
        ("org/name:de:train[:5%]", ("org/name", "de", "train[:5%]")),
        ("org/name::odd_split", ("org/name", None, "odd_split")),
    ],
)
def test_the_parts_of_a_dataset_name(name: str, parts: tuple[str, str | None, str | None]) -> None:
    assert parse_dataset_name(name) == parts


@pytest.mark.slow
def test_saved_data_sets_are_read_by_split(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    train = datasets.Dataset.from_dict({"text": ["one", "two"]})
    test = datasets.Dataset.from_dict({"text": ["three"]})
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(tmp_path / "both")
    train.save_to_disk(tmp_path / "one")
    assert texts(tmp_path / "both") == ["one", "two"]
    assert texts(f"datasets:{tmp_path / 'both'}:test") == ["three"]
    assert texts(tmp_path / "one") == ["one", "two"]
    with pytest.raises(InputMissing, match="has no split 'validation'; it has train, test"):
        texts(f"datasets:{tmp_path / 'both'}:validation")
    made(tmp_path, "bad/dataset_info.json", "{")
    with pytest.raises(DataError, match="not a data set that can be read"):
        texts(tmp_path / "bad")


@pytest.mark.slow
def test_a_hub_name_without_network_is_exit_69() -> None:
    pytest.importorskip("datasets")
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        with pytest.raises(NetworkError, match="data set some-org/no-such-data"):
            texts("some-org/no-such-data")
    finally:
        datasets.config.HF_HUB_OFFLINE = before
