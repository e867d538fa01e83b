"""Sizes and work of a model: parameters, and operations to train on a token."""

from __future__ import annotations

from typing import Any

import torch

from llmctl.models.families import FAMILIES
from llmctl.models.members import members


def num_parameters(model: torch.nn.Module, *, with_embeddings: bool = True) -> int:
    """Parameters, tied ones once; without embeddings: what Kaplan et al. 2020 call N."""
    total = sum(parameter.numel() for parameter in model.parameters())
    if with_embeddings:
        return total
    return total - _embedding_parameters(model)


def _embedding_parameters(model: Any) -> int:
    tables: dict[int, torch.Tensor] = {}
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            tables[id(module.weight)] = module.weight
    head = model.get_output_embeddings()
    if head is not None:
        tables[id(head.weight)] = head.weight
    return sum(table.numel() for table in tables.values())


def frozen_share(model: torch.nn.Module) -> float:
    """The share of the parameters, embeddings apart, that do not learn."""
    tables = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    counted = [parameter for parameter in model.parameters() if id(parameter) not in tables]
    frozen = sum(parameter.numel() for parameter in counted if not parameter.requires_grad)
    return frozen / max(sum(parameter.numel() for parameter in counted), 1)


def training_flops_per_token(
    model: Any,
    block_length: int,
    *,
    target_length: int = 0,
    predicted_share: float = 1.0,
) -> float:
    """Floating-point operations to train on one token: 6 P + 12 layers x width x L.

    P counts the parameters of matrix products that a token passes: all but the embedding tables,
    the head once even when tied, a shared layer (ALBERT) as often as it is passed. The second term
    is attention, counted in full although half of a causal one is masked (Chowdhery et al. 2022,
    appendix B).

    Args:
        block_length: tokens of a row; of the source where there is also a target.
        target_length: tokens of the target, for an encoder-decoder. The result is then per token
            of source and target together: each passes its own stack.
        predicted_share: share of the tokens whose logits are computed (masked language models).
    """
    if len(members(model)) > 1:  # each token passes the generator and the discriminator
        return sum(
            training_flops_per_token(member, block_length, predicted_share=predicted_share)
            for member in members(model).values()
        )
    config = model.config
    head = model.get_output_embeddings()
    head_size = 0 if head is None else head.weight.numel()
    family = FAMILIES.get(config.model_type)
    if family is not None and family.architecture == "encoder-decoder" and target_length:
        return _encoder_decoder_flops(model, block_length, target_length, head_size)
    layers, width = config.num_hidden_layers, config.hidden_size
    if config.num_attention_heads == 0:  # a recurrent model
        layers = 0
    body = num_parameters(model, with_embeddings=False) + _shared_again(model)
    matrices = body + predicted_share * head_size
    return 6.0 * matrices + 12.0 * layers * width * block_length


def _shared_again(model: Any) -> int:
    """Parameters of ALBERT's layer times the passes after its first: all layers share one."""
    config = model.config
    if not getattr(config, "num_hidden_groups", None):
        return 0
    groups = model.base_model.encoder.albert_layer_groups
    passes = config.num_hidden_layers // config.num_hidden_groups
    return (passes - 1) * sum(parameter.numel() for parameter in groups.parameters())


def _encoder_decoder_flops(model: Any, source: int, target: int, head_size: int) -> float:
    """Work of one row, divided by its tokens: the source passes the encoder and the decoder's keys
    and values of cross-attention; the target passes the decoder and the head."""
    encoder, decoder = model.get_encoder(), model.get_decoder()
    cross = _cross_attention_inputs(decoder)
    work = 6.0 * (_matrices(encoder) + cross) * source
    work += 6.0 * (_matrices(decoder) - cross + head_size) * target
    config = model.config
    width = _attention_width(config)
    work += 12.0 * width * _num_layers(config, "encoder") * source * source
    work += 12.0 * width * _num_layers(config, "decoder") * target * (target + source)
    return work / (source + target)


def _matrices(stack: Any) -> int:
    total = sum(parameter.numel() for parameter in stack.parameters())
    tables = {
        id(module.weight): module.weight
        for module in stack.modules()
        if isinstance(module, torch.nn.Embedding)
    }
    return total - sum(table.numel() for table in tables.values())


_CROSS_ATTENTION = (
    "EncDecAttention.k",
    "EncDecAttention.v",
    "encoder_attn.k_proj",
    "encoder_attn.v_proj",
)


def _cross_attention_inputs(decoder: Any) -> int:
    return sum(
        parameter.numel()
        for name, parameter in decoder.named_parameters()
        if any(part in name for part in _CROSS_ATTENTION)
    )


def _attention_width(config: Any) -> int:
    width: int = config.num_attention_heads * getattr(config, "d_kv", 0) or config.hidden_size
    return width


def _num_layers(config: Any, stack: str) -> int:
    names = {
        "encoder": ("encoder_layers", "num_layers"),
        "decoder": ("decoder_layers", "num_decoder_layers"),
    }
    return next(int(getattr(config, name)) for name in names[stack] if hasattr(config, name))
