"""What the reading tests share: documents and report of some sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmctl.data.documents import Document
from llmctl.data.read_report import ReadReport
from llmctl.data.settings import ReadingSettings
from llmctl.data.sources import read_documents


def read(*sources: Path | str, **settings: Any) -> tuple[list[Document], ReadReport]:
    report = ReadReport()
    reading = ReadingSettings(**{"max_bad_fraction": 1.0, **settings})
    documents = list(read_documents([str(source) for source in sources], reading, report))
    return documents, report


def texts(*sources: Path | str, **settings: Any) -> list[str]:
    return [document.text for document in read(*sources, **settings)[0]]


def bad_rows(*sources: Path | str, **settings: Any) -> list[tuple[int, str]]:
    report = read(*sources, **settings)[1]
    return [(row["line"], row["reason"]) for row in report.bad_rows]


def made(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
