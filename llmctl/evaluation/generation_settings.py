"""How text is generated: how long, how the next token is chosen, and where it stops."""

from __future__ import annotations

from pydantic import Field, model_validator

from llmctl.section import Names, Section

DEFAULT_NEW_TOKENS = 64


class GenerationSettings(Section):
    """Options of `llmctl predict --task generation`."""

    max_new_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens to generate at most. Empty: 64, or half the model's positions.",
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        description="0 takes the most likely token; higher draws more freely. Empty: 1 when top_k "
        "or top_p is given, else 0.",
    )
    top_k: int | None = Field(
        default=None, ge=1, description="Draw from this many most likely tokens."
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Draw from the fewest most likely tokens that hold this share of probability.",
    )
    beams: int = Field(default=1, ge=1, description="Beams to search with; 1: no search.")
    seed: int = Field(default=0, ge=0, description="Chooses what is drawn.")
    stop: Names = Field(
        default=[], description="Words that end a text; they are cut from it, with what follows."
    )
    truncate: bool = Field(
        default=False, description="Cut prompts that are too long from the left, else refuse them."
    )
    batch_size: int = Field(default=16, ge=1, description="Prompts at a time.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 …")
    dtype: str = Field(default="auto", description="auto, float32, bfloat16 or float16.")

    @property
    def draws(self) -> bool:
        """Whether tokens are drawn at random."""
        return self.drawing_temperature > 0

    @property
    def drawing_temperature(self) -> float:
        if self.temperature is not None:
            return self.temperature
        return 1.0 if self.top_k is not None or self.top_p is not None else 0.0

    def resolved(self, positions: int | None) -> GenerationSettings:
        """With a number of new tokens that leaves room for a prompt in the model's positions."""
        if self.max_new_tokens is not None:
            return self
        room = DEFAULT_NEW_TOKENS if positions is None else max(1, positions // 2)
        return self.model_copy(update={"max_new_tokens": min(DEFAULT_NEW_TOKENS, room)})

    @model_validator(mode="after")
    def _fit_together(self) -> GenerationSettings:
        if self.beams > 1 and self.draws:
            raise ValueError("beams search for the likeliest text and cannot be drawn from")
        if self.temperature == 0 and (self.top_k is not None or self.top_p is not None):
            raise ValueError("top_k and top_p draw tokens; temperature 0 does not")
        if "" in self.stop:
            raise ValueError("an empty stop word would end every text at once")
        return self
