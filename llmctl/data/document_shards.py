"""Prepared folders: documents in `.jsonl.zst` shards, and the manifest that says what they are."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmctl.data.documents import Document
from llmctl.data.inputs import InputFile
from llmctl.data.read_json import read_jsonl
from llmctl.data.rows import OnBytes, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.errors import DataError, InputMissing
from llmctl.files import TEMPORARY_PREFIX, read_json, sha256_file, storage_errors, sync_folder

MANIFEST_NAME = "manifest.json"
KIND = "documents"
SHARD_TEXT_BYTES = 64 << 20
_COMPRESSION_LEVEL = 3


class DocumentShard(BaseModel):
    """One file of documents; `size` and `sha256` are of the compressed file."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[\w-]+\.jsonl\.zst$")  # never a path
    documents: int = Field(ge=1)
    bytes: int = Field(ge=1)
    """UTF-8 bytes of text."""
    characters: int = Field(ge=1)
    size: int = Field(ge=1)
    sha256: str


class PreparedManifest(BaseModel):
    """What a prepared folder holds. It alone says whether the folder is finished."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["documents"] = "documents"
    version: Literal[1] = 1
    status: Literal["running", "done"]
    settings: dict[str, Any]
    settings_sha256: str
    inputs: list[dict[str, Any]]
    """Path, size and sha256 of every source."""
    counts: dict[str, int] = {}
    """Rows in, and what became of them: documents, empty, set_aside."""
    files: list[dict[str, Any]] = []
    """The same for each source."""
    splits: dict[str, list[DocumentShard]] = {}


@dataclass
class DocumentShardWriter:
    """Writes documents into `folder`; a shard gets its name when it is whole and on the disk."""

    folder: Path
    shard_bytes: int = SHARD_TEXT_BYTES
    shards: list[DocumentShard] = field(default_factory=list)
    _stream: Any = None
    _documents: int = 0
    _bytes: int = 0
    _characters: int = 0

    def write(self, document: Document) -> None:
        line = document_line(document)
        with storage_errors(self.folder):
            if self._stream is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                compressor = zstandard.ZstdCompressor(_COMPRESSION_LEVEL, write_checksum=True)
                self._stream = compressor.stream_writer(self._temporary().open("wb"))
            self._stream.write(line)
        self._documents += 1
        self._bytes += len(document.text.encode())
        self._characters += len(document.text)
        if self._bytes >= self.shard_bytes:
            self._finish_shard()

    def close(self) -> list[DocumentShard]:
        """Finish the last shard; all shards, in their order."""
        if self._stream is not None:
            self._finish_shard()
        return self.shards

    def abandon(self) -> None:
        """Remove the shard that is being written; finished ones stay."""
        if self._stream is not None:
            with suppress(OSError):  # closing writes what is left, perhaps to a full disk
                self._stream.close()
            self._stream = None
        self._temporary().unlink(missing_ok=True)

    def _finish_shard(self) -> None:
        name = f"shard-{len(self.shards):05d}.jsonl.zst"
        temporary = self._temporary()
        with storage_errors(temporary):
            self._stream.flush(zstandard.FLUSH_FRAME)
            self._stream.close()
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            shard = DocumentShard(
                name=name,
                documents=self._documents,
                bytes=self._bytes,
                characters=self._characters,
                size=temporary.stat().st_size,
                sha256=sha256_file(temporary),
            )
            temporary.replace(self.folder / name)
            sync_folder(self.folder)
        self.shards.append(shard)
        self._stream, self._documents, self._bytes, self._characters = None, 0, 0, 0

    def _temporary(self) -> Path:
        return self.folder / f"{TEMPORARY_PREFIX}shard"


def document_line(document: Document) -> bytes:
    """A document as a line of JSON; metadata that JSON cannot hold becomes text."""
    record: dict[str, Any] = {
        "id": document.id, "text": document.text, "source": document.source,
    }  # fmt: skip
    if document.metadata:
        record["metadata"] = document.metadata
    try:
        return orjson.dumps(
            record, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
        )
    except TypeError:  # integers of more than 64 bits
        record["metadata"] = {name: str(value) for name, value in document.metadata.items()}
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def read_documents_shard(file: InputFile, settings: ReadingSettings, on_bytes: OnBytes) -> Rows:
    """A shard's rows; how the user's own files are encoded does not matter here."""
    return read_jsonl(file, settings.model_copy(update={"encoding": "utf-8"}), on_bytes)


def manifest_kind(folder: Path) -> str | None:
    """The kind that a folder's manifest names, or None if it is not one of ours."""
    try:
        manifest = read_json(folder / MANIFEST_NAME)
    except (DataError, InputMissing):
        return None
    return manifest.get("kind") if isinstance(manifest, dict) else None


def is_finished(folder: Path) -> bool:
    """Whether a folder was prepared to the end."""
    return manifest_kind(folder) == KIND and read_manifest(folder).status == "done"


def read_manifest(folder: Path) -> PreparedManifest:
    """The checked manifest of a prepared folder.

    Raises:
        InputMissing: there is none.
        DataError: it is damaged.
    """
    path = folder / MANIFEST_NAME
    try:
        return PreparedManifest.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} is not a manifest of documents: {where}: {first['msg']}") from None


def prepared_inputs(folder: Path, split: str) -> list[InputFile]:
    """The shards of one split of a prepared folder (or of "all"), which may be none.

    Raises:
        DataError: the folder is unfinished, or a shard is missing or has the wrong size.
    """
    manifest = read_manifest(folder)
    if manifest.status != "done":
        raise DataError(
            f"{folder} is not finished: preparing it was interrupted",
            hint="run the same `llmctl data prepare` again",
        )
    inputs = []
    parts = manifest.splits if split == "all" else {split: manifest.splits.get(split, [])}
    for part, shard in ((part, shard) for part, shards in parts.items() for shard in shards):
        path = folder / part / shard.name
        size = path.stat().st_size if path.is_file() else None
        if size != shard.size:
            found = "is missing" if size is None else f"has {size:,} bytes"
            raise DataError(
                f"{path} {found}; {MANIFEST_NAME} says {shard.size:,} bytes",
                hint="prepare the folder again with --fresh",
            )
        name = f"{part}/{shard.name}"
        inputs.append(InputFile(str(path), name, "documents", "zstd", shard.size))
    return inputs
