"""Weights that do not learn: the lowest layers know most of what every task needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmctl.errors import UsageError
from llmctl.models.finetune_settings import BODY, EMBEDDINGS, blocks_named
from llmctl.models.layers import Place, places

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def freeze(model: PreTrainedModel, words: list[str]) -> None:
    """Take parts of a model out of training; nothing is computed backwards below the lowest part
    that learns. Blocks count in each stack: of an encoder-decoder, `0-1` are four.

    Args:
        words: "embeddings", "body", a block "3", or blocks "0-3".

    Raises:
        UsageError: the model has fewer blocks, or nothing would learn.
    """
    where = places(model)
    blocks = blocks_named(words)
    there = {place.block for place in where.values() if place.block is not None}
    if beyond := blocks - there:
        has = f"has blocks 0 to {max(there)}" if there else "has no blocks"
        raise UsageError(f"model.freeze names block {min(beyond)}; {type(model).__name__} {has}")

    def is_frozen(place: Place) -> bool:
        return (
            (BODY in words and place.part != "head")
            or (EMBEDDINGS in words and place.part == "embeddings")
            or place.block in blocks
        )

    parameters = dict(model.named_parameters())
    if all(is_frozen(where[name]) for name in parameters):
        raise UsageError(
            f"model.freeze={words} leaves nothing of {type(model).__name__} to learn",
            hint="name fewer parts",
        )
    for name, parameter in parameters.items():
        parameter.requires_grad_(not is_frozen(where[name]))
