"""Shapes of models by name: published ones, and small ones for a CPU.

GPT-2: Radford et al. 2019, table 2 (the sizes as commonly counted: 124M, 350M, 774M, 1.5B).
Llama-style: SmolLM2 134M and 360M (Allal et al. 2025), TinyLlama 1.1B (Zhang et al. 2024), Llama 3
8B (Grattafiori et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A model type of transformers and the configuration values that make its shape."""

    model_type: str
    config: dict[str, Any]


def _gpt2(layers: int, heads: int, width: int, positions: int = 1024) -> Preset:
    return Preset(
        "gpt2",
        {
            "n_layer": layers,
            "n_head": heads,
            "n_embd": width,
            "n_positions": positions,
            # The same function as GPT-2's own gelu_new, in one kernel instead of eight.
            "activation_function": "gelu_pytorch_tanh",
        },
    )


def _llama(
    layers: int, heads: int, width: int, *, key_value_heads: int, feed_forward: int, positions: int,
    tied: bool = True, rope_theta: float = 10000.0,
) -> Preset:  # fmt: skip
    return Preset(
        "llama",
        {
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": key_value_heads,
            "hidden_size": width,
            "intermediate_size": feed_forward,
            "max_position_embeddings": positions,
            "tie_word_embeddings": tied,
            "rope_theta": rope_theta,
        },
    )


PRESETS: dict[str, Preset] = {
    "gpt2-tiny": _gpt2(4, 4, 128, positions=128),
    "gpt2-mini": _gpt2(6, 4, 256, positions=256),
    "gpt2-124m": _gpt2(12, 12, 768),
    "gpt2-350m": _gpt2(24, 16, 1024),
    "gpt2-774m": _gpt2(36, 20, 1280),
    "gpt2-1.5b": _gpt2(48, 25, 1600),
    "llama-tiny": _llama(4, 4, 128, key_value_heads=2, feed_forward=384, positions=128),
    "llama-mini": _llama(6, 4, 256, key_value_heads=2, feed_forward=768, positions=256),
    "llama-134m": _llama(30, 9, 576, key_value_heads=3, feed_forward=1536, positions=2048),
    "llama-360m": _llama(32, 15, 960, key_value_heads=5, feed_forward=2560, positions=2048),
    "llama-1.1b": _llama(
        22, 32, 2048, key_value_heads=4, feed_forward=5632, positions=2048, tied=False
    ),
    "llama-8b": _llama(
        32, 32, 4096, key_value_heads=8, feed_forward=14336, positions=8192, tied=False,
        rope_theta=500000.0,
    ),
}  # fmt: skip
