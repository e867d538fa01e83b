"""Tokenizers with marks of turns, and tiny causal models to tune with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def chat_tokenizer(folder: Path, template: str | None = CHATML) -> Any:
    """The tokenizer of `folder`, ChatML's marks added; padding is the end of a turn, as SmolLM2
    has it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens(
        {
            "additional_special_tokens": ["<|im_start|>"],
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
        }
    )
    tokenizer.chat_template = template
    return tokenizer


def plain_tokenizer(folder: Path) -> Any:
    """The tokenizer of `folder`: `<|endoftext|>` ends a text, there is no template."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def sentencepiece_tokenizer() -> Any:
    """Single letters in SentencePiece's manner: a blank is put before a text, `<s>` before that."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = ["▁", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ[]/<>|_.,!?0123456789\n"]
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *letters])}
    merges = [("▁", "a"), ("▁", "b")]
    vocabulary |= {"▁a": len(vocabulary), "▁b": len(vocabulary) + 1}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme="first", split=False)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def tiny_causal(kind: str, size: int, *, positions: int = 96, seed: int = 0) -> Any:
    """llama or gpt2 with weights far from uniform, so that faults show."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    words: dict[str, Any] = {
        "llama": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1,
            "max_position_embeddings": positions,
        },
        "gpt2": {
            "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": positions, "resid_pdrop": 0.0,
            "embd_pdrop": 0.0, "attn_pdrop": 0.0,
        },
    }[kind]  # fmt: skip
    config = AutoConfig.for_model(kind, vocab_size=size, **words)
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()
