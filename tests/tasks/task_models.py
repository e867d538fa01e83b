"""What tests of tasks share: tokenizers of every kind made by hand, tiny models, and a forward pass
as the pipelines do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from llmctl.tasks.base import Arrays, Encoded, Example, Task
from llmctl.tasks.batches import make_batch

WORDS = [
    "in", "oslo", "ber", "##lin", "new", "york", "john", "smith", "lives", "the", "river", "flows",
    "through", "how", "many", "people", "has", "10", "inhabitants", "##s", "a", "b", "c", "d", "e",
    ".", ",", "?", "!", "(", ")",
]  # fmt: skip
HAN = "我们在北京大学学习中国的首都是上海吗？。，"


def word_pieces() -> Any:
    """A lowercasing WordPiece, as BERT's: `berlin` is `ber ##lin`, ideographs stand alone."""
    from tokenizers import models, normalizers, pre_tokenizers

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *dict.fromkeys(HAN)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return _wrapped(
        models.WordPiece(vocabulary, unk_token="[UNK]"),
        normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer(),
    )


def byte_pairs(*, prefix: bool = False) -> Any:
    """A byte-level BPE, as RoBERTa's: a blank is part of the word after it."""
    from tokenizers import models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "i"), ("Ġi", "n"), ("o", "s"), ("l", "o"), ("Ġ", "os"), ("Ġos", "lo")]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(a + b for a, b in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return _wrapped(
        models.BPE(vocabulary, merges), None, pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    )


def unigrams() -> Any:
    """A SentencePiece-like Unigram, as ALBERT's: `▁` begins a word."""
    from tokenizers import models, pre_tokenizers

    pieces = ["▁", "▁in", "▁os", "lo", *"abcdefghijklmnopqrstuvwxyz.,?!10", *dict.fromkeys(HAN)]
    scored = [("[PAD]", 0.0), ("[UNK]", -20.0), ("[CLS]", 0.0), ("[SEP]", 0.0)]
    scored += [(piece, -float(5 - len(piece))) for piece in pieces]
    return _wrapped(models.Unigram(scored, unk_id=1), None, pre_tokenizers.Metaspace())


def _wrapped(model: Any, normalizer: Any, pre_tokenizer: Any) -> Any:
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def tiny_bert(tokenizer: Any, head: str, **options: Any) -> Any:
    """A two-layer BERT with random weights, in its evaluation mode."""
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5, **options,
    )  # fmt: skip
    return getattr(transformers, f"BertFor{head}")(config).eval()


def examples_of(task: Task, rows: Sequence[Any], *, labelled: bool = True) -> list[Example]:
    return [
        Example("a.jsonl", number, row, task.example(row, labelled=labelled))
        for number, row in enumerate(rows, 1)
    ]


def batch_of(task: Task, features: Sequence[Any], tokenizer: Any) -> dict[str, torch.Tensor]:
    batch = make_batch(features, task.padding(tokenizer), task.fixed)
    return {name: torch.from_numpy(array) for name, array in batch.arrays.items()}


def predict(
    task: Task, examples: Sequence[Example], tokenizer: Any, model: Any, batch_size: int = 4
) -> list[dict[str, Any]]:
    encoded = task.encode(examples, tokenizer, labelled=False)
    outputs = outputs_of(task, encoded, tokenizer, model, batch_size)
    return task.predictions(examples, encoded.features, outputs)


def outputs_of(
    task: Task, encoded: Encoded, tokenizer: Any, model: Any, batch_size: int
) -> list[Arrays]:
    found: list[Arrays] = []
    for start in range(0, len(encoded.features), batch_size):
        features = encoded.features[start : start + batch_size]
        with torch.no_grad():
            outputs = task.outputs(model, batch_of(task, features, tokenizer))
        found += [
            {name: value[row].numpy() for name, value in outputs.items()}
            for row in range(len(features))
        ]
    return found


def loss_of(task: Task, encoded: Encoded, tokenizer: Any, model: Any, batch_size: int) -> float:
    total = 0.0
    for start in range(0, len(encoded.features), batch_size):
        batch = batch_of(task, encoded.features[start : start + batch_size], tokenizer)
        with torch.no_grad():
            total += float(task.loss(task.outputs(model, batch), batch)[0])
    return total
