"""How an encoder-decoder writes its answers: how long, and how the next token is chosen. Light."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from llmctl.section import Section


class Seq2SeqGenerationSettings(Section):
    """Greedy search, or beam search (Raffel et al. 2020, section 3.1.2 and 3.7, use both)."""

    max_new_tokens: int = Field(128, ge=1, description="Tokens of an answer at most")
    beams: int = Field(
        1,
        ge=1,
        description="Beams to search with; 1: the likeliest token at each step. 4 is usual for "
        "translations and summaries",
    )
    length_penalty: float = Field(
        1.0,
        description="Power of the length by which a beam's log-probability is divided: above 0 "
        "favours long answers (Wu et al. 2016, section 7, use 0.6)",
    )
    early_stopping: bool = Field(
        False,
        description="Stop as soon as there are as many finished answers as beams; else when no "
        "better one can follow",
    )
    no_repeat_ngram: int = Field(
        0,
        ge=0,
        description="No run of so many tokens occurs twice in an answer; 0: no such rule. 3 is "
        "usual for summaries",
    )
    batch_tokens: int = Field(
        8192, ge=1, description="Tokens at a time, padding and beams included; only the speed"
    )

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        if self.beams == 1 and (self.length_penalty != 1.0 or self.early_stopping):
            raise ValueError("length_penalty and early_stopping go with beams of 2 or more")
        return self
