"""`llmctl data prepare`: sources become documents, split by content, in sharded `.jsonl.zst`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.data.document_shards import (
    MANIFEST_NAME,
    DocumentShardWriter,
    PreparedManifest,
    is_finished,
    read_manifest,
)
from llmctl.data.folder_in_making import lock_folder
from llmctl.data.inputs import InputFile, find_inputs
from llmctl.data.opening import use_up
from llmctl.data.read_report import ReadReport
from llmctl.data.settings import SplittingSettings
from llmctl.data.sources import read_inputs
from llmctl.data.splitting import SPLITS, Split, split_documents
from llmctl.errors import SettingsMismatch, UsageError
from llmctl.files import remove_folder, storage_errors, write_json
from llmctl.pipelines.fingerprints import Fingerprint, fingerprint
from llmctl.pipelines.packing import reading

BAD_ROWS_NAME = "bad_rows.jsonl"
_SHOWN_FILES = 20
_OURS = {*SPLITS, MANIFEST_NAME, BAD_ROWS_NAME}


def prepare(
    sources: Sequence[str], settings: SplittingSettings, folder: Path, *, fresh: bool = False
) -> PreparedManifest:
    """Read the sources, split the documents by content, and write them below `folder`.

    Repeating a finished preparation does nothing. The manifest alone says what is finished.

    Raises:
        SettingsMismatch: the folder was prepared from other inputs or with other settings.
        UsageError: the folder holds files of someone else.
        DataError, InputMissing, NetworkError, StorageError: see `read_documents`.
    """
    inputs = find_inputs(sources, split="all")
    hashes = fingerprint(sources)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with lock_folder(folder, subject=folder):
        if is_finished(folder) and not fresh:
            manifest = read_manifest(folder)
            _refuse_changes(manifest, settings, inputs, hashes, folder)
            console.note(f"{folder} is finished already; nothing to do (--fresh prepares it again)")
            return manifest
        _clear(folder)
        return _prepare(inputs, settings, folder, hashes)


def _prepare(
    inputs: Sequence[InputFile], settings: SplittingSettings, folder: Path, hashes: Fingerprint
) -> PreparedManifest:
    manifest = PreparedManifest(
        status="running",
        settings=_deciding(settings),
        settings_sha256=_sha256_of(_deciding(settings)),
        inputs=_inputs_record(hashes, []),
    )
    write_json(folder / MANIFEST_NAME, manifest.model_dump())
    writers: dict[Split, DocumentShardWriter] = {
        split: DocumentShardWriter(folder / split) for split in SPLITS
    }
    try:
        with reading(inputs, folder / BAD_ROWS_NAME, "preparing") as report:
            # Stages that clean, filter and deduplicate come here, between reading and splitting,
            # each a pure function of a shard: process(shard_in, shard_out) -> counts.
            documents = read_inputs(inputs, settings, report)
            for split, document in split_documents(documents, settings.validation_fraction):
                writers[split].write(document)
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise
    done = manifest.model_copy(
        update={
            "status": "done",
            "inputs": _inputs_record(hashes, inputs),
            "counts": _counts(report),
            "files": [file.as_record() for file in report.files],
            "splits": {split: writers[split].close() for split in SPLITS},
        }
    )
    _check_conservation(done)
    write_json(folder / MANIFEST_NAME, done.model_dump())
    return done


def as_record(manifest: PreparedManifest, folder: Path) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "folder": str(folder),
        "counts": manifest.counts,
        "splits": {
            split: {
                "documents": sum(shard.documents for shard in shards),
                "characters": sum(shard.characters for shard in shards),
                "bytes": sum(shard.bytes for shard in shards),
                "shards": len(shards),
            }
            for split, shards in manifest.splits.items()
        },
        "files": manifest.files,
        "bad_rows": str(folder / BAD_ROWS_NAME) if manifest.counts["set_aside"] else None,
    }


def render(manifest: PreparedManifest, folder: Path) -> str:
    """The report: what became of the rows, by source, and how the documents were split."""
    record = as_record(manifest, folder)
    shown = manifest.files[:_SHOWN_FILES]
    columns = ["source", "rows", "documents", "empty", "set aside"]
    keys = ["path", "rows", "documents", "empty", "set_aside"]
    rows = [[file[key] for key in keys] for file in shown]
    if len(manifest.files) > len(shown):
        rows.append([f"({len(manifest.files) - len(shown):,} more)", *[None] * 4])
    if len(manifest.files) > 1:
        rows.append(["all", *[manifest.counts[key] for key in keys[1:]]])
    splits = [
        [name, *[split[key] for key in ("documents", "characters", "bytes", "shards")]]
        for name, split in record["splits"].items()
    ]
    parts = [
        console.table(columns, rows),
        console.table(["split", "documents", "characters", "bytes", "shards"], splits),
    ]
    if record["bad_rows"]:
        parts.append(f"rows set aside are listed in {record['bad_rows']}")
    return "\n\n".join(parts)


def _counts(report: ReadReport) -> dict[str, int]:
    return {
        "rows": report.rows,
        "documents": report.documents,
        "empty": report.empty,
        "set_aside": report.set_aside_rows,
    }


def _check_conservation(manifest: PreparedManifest) -> None:
    """Every row read is a document that was written, empty, or set aside; else it is a bug."""
    counts = manifest.counts
    written = sum(shard.documents for shards in manifest.splits.values() for shard in shards)
    assert counts["rows"] == counts["documents"] + counts["empty"] + counts["set_aside"]
    assert written == counts["documents"], f"{written} documents written: {counts}"


def _deciding(settings: SplittingSettings) -> dict[str, Any]:
    """The settings that decide what is written."""
    return settings.model_dump(exclude={"max_bad_fraction"})


def _sha256_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _inputs_record(hashes: Fingerprint, inputs: Sequence[InputFile]) -> list[dict[str, Any]]:
    """Path, size and sha256 of files, and of the streams among the inputs that were read."""
    files = [{"path": path, **entry} for path, entry in hashes.items()]
    return files + [
        {"path": file.path, "size": None, "sha256": file.digest.hexdigest()}
        for file in inputs
        if file.digest is not None
    ]


def _refuse_changes(
    manifest: PreparedManifest, settings: SplittingSettings, inputs: Sequence[InputFile],
    hashes: Fingerprint, folder: Path,
) -> None:  # fmt: skip
    wanted = _deciding(settings)
    changes = [
        f"{name} was {manifest.settings.get(name)!r} and is {value!r}"
        for name, value in wanted.items()
        if manifest.settings.get(name) != value
    ]
    for file in inputs:
        if file.digest is not None:
            use_up(file)
    now = {entry["path"]: entry["sha256"] for entry in _inputs_record(hashes, inputs)}
    before = {entry["path"]: entry["sha256"] for entry in manifest.inputs}
    changes += [f"{path} was not among the sources" for path in now if path not in before]
    changes += [f"{path} is no longer among the sources" for path in before if path not in now]
    changes += [f"{path} has changed" for path in now if before.get(path, now[path]) != now[path]]
    if changes:
        raise SettingsMismatch(
            f"{folder} was prepared differently: " + "; ".join(changes[:5]),
            hint="write another folder, or prepare this one again with --fresh",
        )


def _clear(folder: Path) -> None:
    """Remove what an earlier preparation left, and nothing else."""
    others = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in _OURS and not path.name.startswith(".")
    )
    if others:
        raise UsageError(
            f"{folder} holds other files ({', '.join(others[:3])}); nothing was written",
            hint="name a new or empty folder with -o",
        )
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    (folder / BAD_ROWS_NAME).unlink(missing_ok=True)
    for split in SPLITS:
        remove_folder(folder / split)
