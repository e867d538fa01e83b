"""`llmctl data preview`: rows as the trainer sees them, or documents as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from llmctl import console
from llmctl.data.blocks import Blocks
from llmctl.data.document_shards import document_line
from llmctl.data.documents import Document
from llmctl.data.inputs import find_inputs
from llmctl.data.order import block_order
from llmctl.data.read_report import ReadReport
from llmctl.data.settings import ReadingSettings
from llmctl.data.shards import Encode, TokenShards, pack_documents
from llmctl.data.sources import read_inputs
from llmctl.pipelines.fingerprints import packed_places
from llmctl.tokenization.load import load_tokenizer, make_encoder, vocabulary_of

Decode = Callable[[list[int]], str]
END_MARK = "── end of document ──"
_SHOWN_CHARACTERS = 600


@dataclass(frozen=True)
class RowView:
    """One training row. `text` marks the ends of documents; `block` is its place in the corpus."""

    row: int
    block: int
    tokens: int
    targets: int
    documents: int
    text: str
    ids: list[int]


@dataclass(frozen=True)
class Preview:
    """Training rows, or documents where there is no tokenizer to cut rows with."""

    source: str
    rows: list[RowView]
    documents: list[Document]
    blocks: int | None = None
    """Rows in an epoch; None where only the beginning of a source was read."""

    def as_record(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "blocks": self.blocks,
            "rows": [asdict(row) for row in self.rows],
            "documents": [orjson.loads(document_line(document)) for document in self.documents],
        }


def preview(
    sources: Sequence[str],
    settings: ReadingSettings,
    *,
    tokenizer: str | None = None,
    rows: int = 3,
    block_length: int = 128,
    seed: int = 0,
) -> Preview:
    """The first rows of a training run on these sources with this seed.

    Of a packed folder, rows come in training order. Of text, the beginning is tokenized and cut, in
    reading order; without a tokenizer, documents are shown.

    Raises:
        InputMissing, DataError: see `read_documents` and `TokenShards`.
    """
    name = ", ".join(sources)
    places = packed_places(sources)
    found = load_tokenizer(tokenizer) if tokenizer is not None else None
    decode: Decode | None = found.decode if found is not None else None
    if places is not None:
        shards = TokenShards.open(places[0])
        blocks = Blocks(shards, block_length + 1, block_length)
        order = block_order(seed, np.arange(min(rows, len(blocks))), len(blocks))
        return Preview(name, _views(blocks, order, decode), [], len(blocks))
    # Bad rows are shown as a warning here, whatever their share.
    reading = settings.model_copy(update={"max_bad_fraction": 1.0})
    report = ReadReport()
    documents = read_inputs(find_inputs(sources), reading, report)
    if found is None:
        shown = list(islice(documents, rows))
        report.warn()
        return Preview(name, [], shown)
    vocabulary = vocabulary_of(found)
    end = vocabulary.eos_id if vocabulary.eos_id is not None else found.sep_token_id or 0
    with tempfile.TemporaryDirectory() as folder:
        beginning = _Beginning(documents, make_encoder(found), rows * block_length + 1)
        pack_documents(
            beginning.documents(), beginning.encode, folder=Path(folder) / "packed",
            vocabulary_size=vocabulary.size, end_of_document_id=end,
            tokenizer_sha256=vocabulary.sha256, source_sha256="",
        )  # fmt: skip
        blocks = Blocks(TokenShards.open(Path(folder) / "packed"), block_length + 1, block_length)
        views = _views(blocks, np.arange(min(rows, len(blocks))), decode)
    report.warn()
    return Preview(name, views, [])


class _Beginning:
    """The first documents of a source, until they make enough tokens."""

    def __init__(self, documents: Iterator[Document], encode: Encode, tokens: int) -> None:
        self._documents, self._encode, self._wanted = documents, encode, tokens

    def documents(self) -> Iterator[Document]:
        for document in self._documents:
            yield document
            if self._wanted <= 0:
                return

    def encode(self, texts: list[str]) -> Sequence[NDArray[np.integer]]:
        arrays = self._encode(texts)
        self._wanted -= sum(len(ids) + 1 for ids in arrays)
        return arrays


def _views(blocks: Blocks, order: NDArray[np.int64], decode: Decode | None) -> list[RowView]:
    read = blocks.read(order)
    end = blocks.shards.meta.end_of_document_id
    return [
        causal_view(number, int(block), tokens[:length].tolist(), end, decode)
        for number, (block, tokens, length) in enumerate(
            zip(order, read.tokens, read.lengths.tolist(), strict=True)
        )
    ]


def causal_view(row: int, block: int, ids: list[int], end: int, decode: Decode | None) -> RowView:
    """A row of a causal model: every token but the first is a target.

    Objectives that mask or corrupt get a function of the same shape beside this one.
    """
    pieces: list[list[int]] = [[]]
    for number in ids:
        if number == end:
            pieces.append([])
        else:
            pieces[-1].append(number)
    written = [decode(piece) if decode else " ".join(map(str, piece)) for piece in pieces]
    return RowView(
        row=row,
        block=block,
        tokens=len(ids),
        targets=len(ids) - 1,
        documents=sum(1 for piece in pieces if piece),
        text=f"\n{END_MARK}\n".join(written).strip("\n"),
        ids=ids,
    )


def render(found: Preview) -> str:
    """For a terminal: a line of numbers, then the text, indented."""
    parts = []
    for row in found.rows:
        of = f" of {found.blocks:,}" if found.blocks else ""
        many = "documents" if row.documents != 1 else "document"
        head = f"row {row.row} · block {row.block:,}{of} · {row.tokens:,} tokens, "
        parts.append(f"{head}{row.targets:,} targets · {row.documents} {many}")
        parts.append(_indented(row.text))
    for document in found.documents:
        size = len(document.text)
        columns = f" · {', '.join(document.metadata)}" if document.metadata else ""
        parts.append(f"{document.source} · {document.id} · {size:,} characters{columns}")
        rest = size - _SHOWN_CHARACTERS
        more = f"\n… {rest:,} more characters" if rest > 0 else ""
        parts.append(_indented(document.text[:_SHOWN_CHARACTERS] + more))
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def hint_for_more(found: Preview) -> None:
    """Say what would show more, on stderr."""
    if found.documents:
        console.note("hint: --tokenizer TOKENIZER shows them as training rows")
