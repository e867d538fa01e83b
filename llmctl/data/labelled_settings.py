"""Settings of the `data` section of a finetuning recipe: rows with answers, and what is asked of
them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from llmctl.data.readers import READERS
from llmctl.registry import nearest
from llmctl.section import Names, Section

Policy = Literal["refuse", "drop", "mend", "keep"]

PARALLEL = "parallel"
"""Several files that are one table: line i of each makes row i."""
FORMATS = (
    *(name for name in READERS if name not in ("datasets", "stdin", "documents")),
    PARALLEL,
)


class LabelledData(Section):
    """Rows to train, validate and test on."""

    train: Names = Field(min_length=1, description="Files, folders, globs, or data sets")
    validation: Names = Field([], description="Like train; none: a share of the training rows")
    test: Names = Field([], description="Rows that are measured once, at the end")
    format: str | None = Field(
        None,
        description=f"Format of all files: {', '.join(FORMATS)} (line-aligned files of sources and "
        "of targets); none: by their endings, and tsv (or the task's own) for others",
    )
    encoding: str = Field("utf-8", min_length=1, description="Encoding of text files")
    validation_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the training rows that validates where `validation` names none; "
        "chosen by content, so that equal inputs lie on one side",
    )
    max_rows: int | None = Field(
        None, gt=0, description="Training rows used at most, chosen by the seed; none: all"
    )
    max_bad_fraction: float = Field(
        0.001, ge=0, le=1, description="Share of rows that may be unusable; more is an error"
    )
    max_without_targets: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of rows whose answer may be cut away at the model's length; more is an "
        "error",
    )
    problems: dict[str, Policy] = Field(
        {},
        description="What to do about a kind of problem in the rows' content: refuse, drop the "
        "rows, mend them where the task can, or keep them; kinds not named: the task's usual",
    )

    @field_validator("format")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in FORMATS:
            close = nearest(value, list(FORMATS))
            raise ValueError(
                f"no format is called {value!r}; "
                + (f"did you mean {close!r}? " if close else "")
                + f"choose one of {', '.join(FORMATS)}"
            )
        return value
