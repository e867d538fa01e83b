"""`llmctl data preview`: rows as the trainer sees them, or documents as they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from llmctl import console
from llmctl.data.document_shards import document_line
from llmctl.data.documents import Document
from llmctl.data.inputs import find_inputs
from llmctl.data.read_report import ReadReport
from llmctl.data.settings import ReadingSettings
from llmctl.data.shards import pack_documents
from llmctl.data.sources import read_inputs
from llmctl.errors import UsageError
from llmctl.objectives.base import Decode, Layout, Objective, Rows, joined
from llmctl.objectives.causal_lm import CausalLM
from llmctl.pipelines.corpus import open_corpus
from llmctl.pipelines.fingerprints import packed_places
from llmctl.pipelines.marking import encoder_for, marks_of
from llmctl.pipelines.packing import end_of_document_id
from llmctl.tokenization.load import load_tokenizer, vocabulary_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN_CHARACTERS = 600


@dataclass(frozen=True)
class RowView:
    """One training row: its place in the corpus, and what the objective makes of it.

    `texts` are titled: the input with its masks or sentinels, the targets.
    """

    row: int
    block: int
    tokens: int
    targets: dict[str, int]
    texts: list[tuple[str, str]]


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
    objective: Objective | None = None,
    rows: int = 3,
    block_length: int = 128,
    seed: int = 0,
) -> Preview:
    """The first rows of a training run on these sources with this seed and objective.

    Of a packed folder, rows come in training order. Of text, the beginning is tokenized and cut, in
    reading order; without a tokenizer, documents are shown.

    Raises:
        InputMissing, DataError: see `read_documents` and `TokenShards`.
        UsageError: the tokenizer lacks a token that the objective needs.
    """
    name = ", ".join(sources)
    objective = objective or CausalLM()
    places = packed_places(sources)
    found = load_tokenizer(tokenizer) if tokenizer is not None else None
    vocabulary: Any = None
    if found is not None:
        vocabulary = vocabulary_of(found)
        objective.check(vocabulary)
    if places is not None:
        looked_at = _Rows(objective, places[0], block_length, found, vocabulary, seed)
        numbers = np.arange(min(rows, len(looked_at.corpus)))
        return Preview(name, looked_at.in_order(numbers), [], len(looked_at.corpus))
    # Bad rows are shown as a warning here, whatever their share.
    reading = settings.model_copy(update={"max_bad_fraction": 1.0})
    report = ReadReport()
    documents = read_inputs(find_inputs(sources), reading, report)
    if found is None:
        if objective != CausalLM():
            raise UsageError(
                "an objective works on tokens", hint="--tokenizer FOLDER names what cuts the text"
            )
        shown = list(islice(documents, rows))
        report.warn()
        return Preview(name, [], shown)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "packed"
        beginning = _Beginning(documents, rows * (block_length + 1))
        beginning.pack(found, vocabulary, objective.layout(block_length, vocabulary), folder)
        looked_at = _Rows(objective, folder, block_length, found, vocabulary, seed)
        views = looked_at.as_read(np.arange(min(rows, len(looked_at.corpus))))
    report.warn()
    return Preview(name, views, [])


class _Rows:
    """A packed folder as one objective cuts and corrupts it."""

    def __init__(
        self, objective: Objective, folder: Path, block_length: int,
        tokenizer: PreTrainedTokenizerBase | None, vocabulary: Any, seed: int,
    ) -> None:  # fmt: skip
        if tokenizer is None and objective != CausalLM():
            raise UsageError(
                f"{objective.name} needs to know the special tokens of the tokenizer",
                hint="--tokenizer FOLDER names the one that the folder was packed with",
            )
        self.objective = objective
        self.vocabulary = vocabulary
        self.decode: Decode = tokenizer.decode if tokenizer is not None else _numbers
        self.corpus = open_corpus(
            {"text": folder}, objective, block_length, vocabulary, seed=seed
        )  # fmt: skip
        self.seed = seed

    def in_order(self, numbers: NDArray[np.int64]) -> list[RowView]:
        return self._views(joined(self.corpus.training_rows(numbers)))

    def as_read(self, numbers: NDArray[np.int64]) -> list[RowView]:
        return self._views(joined(self.corpus.held_out_rows(numbers)))

    def _views(self, rows: Rows) -> list[RowView]:
        """Each row is a batch of its own: what is random does not depend on other rows."""
        names = [part.name for part in self.objective.parts()]
        views = []
        for number in range(len(rows.lengths)):
            batch = self.objective.make_batch(rows.take(number), self.vocabulary, self.seed)
            assert rows.blocks is not None
            views.append(
                RowView(
                    row=int(rows.numbers[number]),
                    block=int(rows.blocks[number]),
                    tokens=batch.num_tokens,
                    targets=dict(zip(names, batch.num_targets, strict=True)),
                    texts=self.objective.show(batch, 0, self.decode),
                )
            )
        return views


def _numbers(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


class _Beginning:
    """The first documents of a source, until they make enough tokens."""

    def __init__(self, documents: Iterator[Document], tokens: int) -> None:
        self._documents, self._wanted = documents, tokens

    def pack(
        self, tokenizer: PreTrainedTokenizerBase, vocabulary: Any, layout: Layout, folder: Path
    ) -> None:
        marks = marks_of(layout)
        encode = encoder_for(tokenizer, marks)

        def counted(texts: list[str]) -> Any:
            encoded = encode(texts)
            arrays = [ids for ids, _ in encoded] if marks else encoded
            self._wanted -= sum(len(ids) + 1 for ids in arrays)
            return encoded

        pack_documents(
            self._until_enough(), counted, folder=folder, vocabulary_size=vocabulary.size,
            end_of_document_id=end_of_document_id(vocabulary),
            tokenizer_sha256=vocabulary.sha256, source_sha256="", marks=marks,
        )  # fmt: skip

    def _until_enough(self) -> Iterator[Document]:
        for document in self._documents:
            yield document
            if self._wanted <= 0:
                return


def render(found: Preview) -> str:
    """For a terminal: a line of numbers, then the text, indented."""
    parts = []
    for row in found.rows:
        of = f" of {found.blocks:,}" if found.blocks else ""
        targets = ", ".join(
            f"{count:,} {'targets' if name == 'loss' else name}"
            for name, count in row.targets.items()
        )
        parts.append(f"row {row.row} · block {row.block:,}{of} · {row.tokens:,} tokens · {targets}")
        parts += [f"  {title}:\n{_indented(text, 4)}" for title, text in row.texts]
    for document in found.documents:
        size = len(document.text)
        columns = f" · {', '.join(document.metadata)}" if document.metadata else ""
        parts.append(f"{document.source} · {document.id} · {size:,} characters{columns}")
        rest = size - _SHOWN_CHARACTERS
        more = f"\n… {rest:,} more characters" if rest > 0 else ""
        parts.append(_indented(document.text[:_SHOWN_CHARACTERS] + more))
    return "\n\n".join(parts)


def _indented(text: str, by: int = 2) -> str:
    return "\n".join(" " * by + line for line in text.split("\n"))


def hint_for_more(found: Preview) -> None:
    """Say what would show more, on stderr."""
    if found.documents:
        console.note("hint: --tokenizer TOKENIZER shows them as training rows")
