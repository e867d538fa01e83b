"""The table of file formats: how each is read as rows."""

from __future__ import annotations

from collections.abc import Callable

from llmctl.data.inputs import InputFile
from llmctl.data.rows import OnBytes, Rows
from llmctl.data.settings import ReadingSettings
from llmctl.registry import Registry

Reader = Callable[[InputFile, ReadingSettings, OnBytes], Rows]

READERS: Registry[Reader] = Registry(
    "file format",
    {
        "text": "llmctl.data.read_text:read_text",
        "jsonl": "llmctl.data.read_json:read_jsonl",
        "json": "llmctl.data.read_json:read_json",
        "csv": "llmctl.data.read_tables:read_csv",
        "tsv": "llmctl.data.read_tables:read_tsv",
        "parquet": "llmctl.data.read_arrow:read_parquet",
        "conll": "llmctl.data.read_conll:read_conll",
        "squad": "llmctl.data.read_squad:read_squad",
        "datasets": "llmctl.data.read_arrow:read_dataset",
        "stdin": "llmctl.data.read_stdin:read_stdin",
        "documents": "llmctl.data.document_shards:read_documents_shard",
    },
)
