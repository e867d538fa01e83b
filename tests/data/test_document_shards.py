"""Prepared folders: shards of documents and their manifest."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
import zstandard
from reading import read

from llmctl.data.document_shards import (
    DocumentShardWriter,
    PreparedManifest,
    document_line,
    prepared_inputs,
)
from llmctl.data.documents import Document
from llmctl.errors import DataError
from llmctl.files import sha256_file, write_json


def prepared(folder: Path, *documents: Document, status: str = "done") -> Path:
    writer = DocumentShardWriter(folder / "train", shard_bytes=5)
    for document in documents:
        writer.write(document)
    manifest = PreparedManifest(
        status=status, settings={}, settings_sha256="", inputs=[], splits={"train": writer.close()}
    )  # type: ignore[arg-type]
    write_json(folder / "manifest.json", manifest.model_dump())
    return folder


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    first = Document("id1", "床前明月光", "poems.json", {"author": "李白", "n": [1, 2]})
    second = Document("id2", "one\ntwo", "a.txt")
    found, report = read(prepared(tmp_path, first, second))
    assert found == [first, second]
    assert report.documents == 2


def test_a_shard_ends_with_the_document_that_fills_it(tmp_path: Path) -> None:
    documents = [Document(str(n), text, "f") for n, text in enumerate(["abc", "de", "f"])]
    prepared(tmp_path, *documents)
    assert [p.name for p in sorted((tmp_path / "train").iterdir())] == [
        "shard-00000.jsonl.zst",
        "shard-00001.jsonl.zst",
    ]
    shard = json.loads((tmp_path / "manifest.json").read_text())["splits"]["train"][0]
    assert (shard["documents"], shard["bytes"], shard["characters"]) == (2, 5, 5)
    assert shard["sha256"] == sha256_file(tmp_path / "train/shard-00000.jsonl.zst")


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    prepared(tmp_path, Document("id1", "text", "a.txt"))
    data = zstandard.ZstdDecompressor().stream_reader(
        (tmp_path / "train/shard-00000.jsonl.zst").read_bytes()
    )
    assert data.read() == b'{"id":"id1","text":"text","source":"a.txt"}\n'


def test_metadata_that_json_cannot_hold_becomes_text() -> None:
    when = datetime.date(1851, 10, 18)
    line = document_line(Document("i", "t", "s", {"when": when, "raw": b"x", "big": 2**70}))
    assert json.loads(line)["metadata"] == {"when": "1851-10-18", "raw": "b'x'", "big": str(2**70)}


def test_an_unfinished_folder_is_refused(tmp_path: Path) -> None:
    prepared(tmp_path, Document("1", "text", "f"), status="running")
    with pytest.raises(DataError, match="is not finished"):
        prepared_inputs(tmp_path, "train")


def test_a_missing_or_shortened_shard_is_refused(tmp_path: Path) -> None:
    prepared(tmp_path, Document("1", "text", "f"))
    shard = tmp_path / "train/shard-00000.jsonl.zst"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"bytes; manifest\.json says"):
        prepared_inputs(tmp_path, "train")
    shard.unlink()
    with pytest.raises(DataError, match="is missing"):
        prepared_inputs(tmp_path, "train")


def test_a_shard_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    prepared(tmp_path, Document("1", "text", "f"))
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"shard-00000', '"../../shard-00000'))
    with pytest.raises(DataError, match="name"):
        prepared_inputs(tmp_path, "train")


def test_a_flipped_byte_in_a_shard_is_found(tmp_path: Path) -> None:
    prepared(tmp_path, Document("1", "text of some length " * 50, "f"))
    shard = tmp_path / "train/shard-00000.jsonl.zst"
    data = bytearray(shard.read_bytes())
    data[-6] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path)
