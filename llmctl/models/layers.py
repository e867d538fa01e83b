"""Where each weight of a model stands: embeddings, a block, what is above them, or the head.

The blocks of a stack are its longest `ModuleList`, whatever a model type calls it (`layer`, `h`,
`layers`, `block`); an XLM has several of one length, whose entries of one number are one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from llmctl.errors import UsageError
from llmctl.models.members import members

Part = Literal["embeddings", "block", "top", "head"]


@dataclass(frozen=True)
class Place:
    """Where a weight stands.

    Attributes:
        part: "top" is what the body does after its last block: its last norm.
        block: its number from the bottom of its stack; None outside of blocks.
        depth: 0 for the head and the top, 1 for the last block, and so on down; the embeddings lie
            below the first block of the deepest stack. An encoder and a decoder are counted each
            from its own top.
    """

    part: Part
    block: int | None
    depth: int


def places(model: Any) -> dict[str, Place]:
    """The place of every parameter, by its name; tied ones once, as in `named_parameters`.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> shape = dict(hidden_size=8, num_attention_heads=2, intermediate_size=8, vocab_size=9)
    >>> found = places(BertForSequenceClassification(BertConfig(num_hidden_layers=3, **shape)))
    >>> found["bert.encoder.layer.0.output.dense.weight"]
    Place(part='block', block=0, depth=3)
    >>> found["bert.embeddings.LayerNorm.bias"].depth, found["classifier.weight"].part
    (4, 'head')
    """
    stacks = block_stacks(model)
    deepest = max((len(stack) for stack in stacks), default=0)
    prefixes = {
        prefix: Place("block", number, len(stack) - number)
        for stack in stacks
        for number, names in enumerate(stack)
        for prefix in names
    }
    embeddings, top = Place("embeddings", None, deepest + 1), Place("top", None, 0)
    tables, heads = _tables(model), head_names(model)
    found: dict[str, Place] = {}
    for name, parameter in model.named_parameters():
        before = deepest > 0 and not any(place.part == "block" for place in found.values())
        if (place := _of_prefix(name, prefixes)) is not None:
            found[name] = place
        elif id(parameter) in tables:
            found[name] = embeddings
        elif any(name.startswith(f"{head}.") for head in heads):
            found[name] = Place("head", None, 0)
        else:
            found[name] = embeddings if before or "emb" in name.lower() else top
    return found


def depths_of(model: Any) -> dict[str, int]:
    """How far below the head every parameter stands, by its name.

    Raises:
        UsageError: a model without blocks, such as an LSTM.
    """
    if not block_stacks(model):
        raise UsageError(
            f"{type(model).__name__} has no blocks, which optimizer.layer_decay tells apart",
            hint="leave optimizer.layer_decay out",
        )
    return {name: place.depth for name, place in places(model).items()}


def block_stacks(model: Any) -> list[list[tuple[str, ...]]]:
    """Of each stack of blocks, from the bottom: the names of the modules that are one block.

    An encoder-decoder has two stacks, and so have two models that are trained together.
    """
    names = {id(module): name for name, module in model.named_modules()}
    found = []
    for part in _stack_owners(model):
        lists = _outermost_lists(part)
        longest = max((len(entries) for _, entries in lists), default=0)
        parents = [parent for parent, entries in lists if len(entries) == longest]
        together = [
            entries for parent, entries in lists
            if len(entries) == longest and parent == parents[0]
        ]  # fmt: skip
        if together:
            found.append([
                tuple(names[id(entries[number])] for entries in together)
                for number in range(longest)
            ])  # fmt: skip
    return found


def head_names(model: Any) -> list[str]:
    """The modules that stand on a model's body: those of its first level without blocks or tables,
    and the body's pooler, which only a head for whole rows reads.

    >>> from transformers import GPT2Config, GPT2ForSequenceClassification
    >>> head_names(GPT2ForSequenceClassification(GPT2Config(n_embd=8, n_layer=1, n_head=2)))
    ['score']
    """
    blocks = [name for stack in block_stacks(model) for names in stack for name in names]
    body = getattr(model, "base_model", None)
    found = []
    for name, module in model.named_children():
        if module is body:
            found += [f"{name}.pooler"] if getattr(body, "pooler", None) is not None else []
        elif not any(block.startswith(f"{name}.") for block in blocks) and not any(
            isinstance(inner, torch.nn.Embedding) for inner in module.modules()
        ):
            found += [name] if any(True for _ in module.parameters()) else []
    return found


def _stack_owners(model: Any) -> list[Any]:
    owners: list[Any] = []
    for member in members(model).values():
        if getattr(member.config, "is_encoder_decoder", False):
            owners += [member.get_encoder(), member.get_decoder()]
        else:
            owners.append(member)
    return owners


def _outermost_lists(module: Any, prefix: str = "") -> list[tuple[str, torch.nn.ModuleList]]:
    """Every list of modules that is in no other one, with the name of what holds it."""
    found: list[tuple[str, torch.nn.ModuleList]] = []
    for name, child in module.named_children():
        if isinstance(child, torch.nn.ModuleList):
            found.append((prefix, child))
        else:
            found += _outermost_lists(child, f"{prefix}.{name}")
    return found


def _of_prefix(name: str, prefixes: Mapping[str, Place]) -> Place | None:
    words = name.split(".")
    candidates = (".".join(words[:count]) for count in range(1, len(words)))
    return next((prefixes[prefix] for prefix in candidates if prefix in prefixes), None)


def _tables(model: Any) -> set[int]:
    """Ids of the tables that rows are looked up in; a head may share one."""
    return {
        id(parameter)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding)
        for parameter in module.parameters()
    }
