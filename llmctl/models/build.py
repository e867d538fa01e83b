"""Models to train: fresh ones of a preset's shape, and what a preset's name expands to."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from llmctl.errors import UsageError
from llmctl.models import attention
from llmctl.models.presets import PRESETS
from llmctl.models.settings import ModelSettings
from llmctl.registry import nearest

VOCABULARY_MULTIPLE = 128
"""Rows of the embedding are padded to this multiple: matrix units want it (DESIGN section 5)."""

_DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout")
_WHOLE_PAST = {"gpt2", "llama", "qwen2", "qwen3", "gpt_neox"}
"""Model types whose layers see the whole past and nothing else, tested with our attention."""


def padded_vocabulary(size: int) -> int:
    """
    >>> padded_vocabulary(50257)
    50304
    """
    return -(-size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def fresh_config(
    settings: ModelSettings, *, vocabulary_size: int, bos_id: int | None, eos_id: int | None
) -> PretrainedConfig:  # fmt: skip
    """The configuration of a fresh model.

    Raises:
        UsageError: `model.config` names a value this model type does not have.
    """
    assert settings.preset is not None
    preset = PRESETS[settings.preset]
    config_class = CONFIG_MAPPING[preset.model_type]
    known = [*config_class().to_dict(), *config_class.attribute_map, "rope_theta"]
    for key in settings.config:
        if key not in known:
            close = nearest(key, known)
            raise UsageError(
                f"model.config.{key}: {preset.model_type} has no such value",
                hint=f"did you mean {close!r}?" if close else None,
            )
    config = config_class(
        **{
            **preset.config,
            "vocab_size": padded_vocabulary(vocabulary_size),
            "bos_token_id": bos_id,
            "eos_token_id": eos_id,
            "pad_token_id": None,  # see forget_padding
            "use_cache": True,
            **settings.config,
        }
    )
    _set_dropouts(config, settings.dropout)
    return config


def set_dropout(model: PreTrainedModel, dropout: float) -> None:
    """Give a loaded model another dropout: its layers have copied the configuration's."""
    _set_dropouts(model.config, dropout)
    for module in model.modules():
        _set_dropouts(module, dropout)
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout


def _set_dropouts(owner: Any, dropout: float) -> None:
    for name in _DROPOUTS:
        if isinstance(getattr(owner, name, None), float | int):
            setattr(owner, name, dropout)


def forget_padding(model: PreTrainedModel) -> None:
    """Take the padding id away while training, where no row is padded before its end.

    With it a Llama's embedding of that id gets no gradient; where padding is end-of-text, the model
    would never learn what follows one.
    """
    model.config.pad_token_id = None
    model.get_input_embeddings().padding_idx = None


def set_special_tokens(
    model: PreTrainedModel, *, bos_id: int | None, eos_id: int | None, pad_id: int | None
) -> None:
    """Write the tokenizer's special ids into the model, for generation."""
    for config in (model.config, model.generation_config):
        config.bos_token_id, config.eos_token_id, config.pad_token_id = bos_id, eos_id, pad_id


def fresh_model(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A model with random weights, float32, that depend on the seed alone."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def choose_attention(model: PreTrainedModel, setting: str, block_length: int) -> str:
    """Set and name the attention that training uses.

    Ours is used only where it computes the same function: the whole past visible, no window
    shorter than the block.

    Raises:
        UsageError: the model has no such attention.
    """
    config = model.config
    window = getattr(config, "sliding_window", None)
    chosen = setting
    if setting == "auto":
        whole_past = config.model_type in _WHOLE_PAST and (window is None or window >= block_length)
        chosen = attention.NAME if whole_past else "sdpa"
        if chosen == "sdpa" and not model._supports_sdpa:
            chosen = "eager"
    if chosen == attention.NAME:
        attention.register()
    try:
        model.set_attn_implementation(chosen)
    except ValueError as error:
        raise UsageError(
            f"model.attention is {setting}, which {type(model).__name__} does not have",
            hint="model.attention=auto",
        ) from error
    return chosen


def recompute_activations(model: PreTrainedModel) -> None:
    """Keep only the layers' inputs, and compute the rest again on the way back."""
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):  # the name since transformers 5.2x
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def check_positions(config: PretrainedConfig, block_length: int) -> None:
    """
    Raises:
        UsageError: rows are longer than the model has positions.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and block_length > positions:
        raise UsageError(
            f"data.block_length is {block_length}, but the model has {positions} positions",
            hint=f"data.block_length={positions}",
        )


def strip_vocabulary_padding(model: PreTrainedModel, vocabulary_size: int) -> None:
    """Cut the rows off that no token uses, so that the saved folder has the tokenizer's size."""
    if model.config.vocab_size > vocabulary_size:
        model.resize_token_embeddings(vocabulary_size)


def num_parameters(model: PreTrainedModel, *, with_embeddings: bool = True) -> int:
    """Parameters, tied ones once; without embeddings: what Kaplan et al. 2020 call N."""
    total = sum(parameter.numel() for parameter in model.parameters())
    if with_embeddings:
        return total
    return total - _embedding_parameters(model)


def _embedding_parameters(model: PreTrainedModel) -> int:
    tables: dict[int, torch.Tensor] = {}
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            tables[id(module.weight)] = module.weight
    head: Any = model.get_output_embeddings()
    if head is not None:
        tables[id(head.weight)] = head.weight
    return sum(table.numel() for table in tables.values())


def training_flops_per_token(model: PreTrainedModel, block_length: int) -> float:
    """Floating-point operations to train on one token: 6 P + 12 layers x width x L.

    P counts the parameters of matrix products: all but the embedding tables, the head counted once
    even when tied. The second term is attention, counted in full although half of it is masked
    (Chowdhery et al. 2022, appendix B).
    """
    config = model.config
    head: Any = model.get_output_embeddings()
    matrices = num_parameters(model, with_embeddings=False) + head.weight.numel()
    return 6.0 * matrices + 12.0 * config.num_hidden_layers * config.hidden_size * block_length
