"""Settings of reading text and of the `data` section of a pretraining recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from llmctl.section import Names, Section

TextUnit = Literal["auto", "file", "paragraph", "line"]


class ReadingSettings(Section):
    """How files become documents."""

    text_column: str | None = Field(
        default=None,
        min_length=1,
        description="Column that holds the text of jsonl, json, csv, tsv, parquet and datasets "
        "rows; a list of texts is joined by newlines. None: `text`, else the only column of text.",
    )
    text_unit: TextUnit = Field(
        default="auto",
        description="What one document of a .txt or .md file is: the whole file, a paragraph "
        "(blank lines between), or a line. auto: the file; over 64 KiB, pieces of about 16 KiB "
        "that end at a blank line (else at a line end).",
    )
    encoding: str = Field(
        default="utf-8", min_length=1, description="Encoding of text files, such as gb18030."
    )
    max_bad_fraction: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="Share of rows that may be unreadable (they are set aside); more is an error.",
    )


class SplittingSettings(ReadingSettings):
    """How documents are read and split."""

    validation_fraction: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share of the documents that validate (chosen by content); 0: none. Without "
        "effect where `validation` names its own sources.",
    )


class DataSettings(SplittingSettings):
    """What a model is pretrained on, and how it is cut into rows."""

    train: Names = Field(
        min_length=1,
        description="Files, folders, globs, `-` (standard input), dataset names, `bundled:NAME`, a "
        "prepared folder or a packed folder.",
    )
    validation: Names = Field(
        default=[],
        description="Like `train`. Empty: a share of `train`, chosen by each document's content.",
    )
    block_length: int | None = Field(
        default=None,
        ge=1,
        description="Tokens that one training row predicts. None: the model's positions, 1024 at "
        "most.",
    )
