"""Train a byte-level BPE tokenizer, as in GPT-2, RoBERTa and Llama 3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from llmctl.errors import UsageError
from llmctl.tokenization.families import GPT2_PATTERN, FamilyFormat
from llmctl.tokenization.sample import cut_long_runs
from llmctl.tokenization.settings import TokenizerSettings


def train_byte_bpe(texts: Iterable[str], settings: TokenizerSettings, family: FamilyFormat) -> Any:
    """Merges of the most frequent neighbours over all 256 bytes (Sennrich et al. 2016; Radford et
    al. 2019): any text can be written, and comes back byte for byte.

    Returns a `tokenizers.Tokenizer`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    smallest = len(family.special_tokens) + len(alphabet)
    if settings.vocabulary_size < smallest:
        raise UsageError(
            f"a vocabulary of {settings.vocabulary_size} is too small for byte-level BPE: the 256 "
            f"bytes and {len(family.special_tokens)} special tokens alone are {smallest}",
            hint=f"--vocab-size {max(512, smallest)}",
        )
    tokenizer = Tokenizer(models.BPE())
    if settings.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    if family.pattern == GPT2_PATTERN:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(family.pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=settings.min_frequency,
        special_tokens=list(family.special_tokens),
        initial_alphabet=alphabet,
        # Without a limit, lines that repeat (licences, menus) become tokens of a hundred letters.
        max_token_length=settings.max_token_length,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_pieces(texts), trainer)
    return tokenizer


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from cut_long_runs(text)
