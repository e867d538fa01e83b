"""Train a WordPiece tokenizer, as in BERT; every Chinese character is a word of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from llmctl.errors import UsageError
from llmctl.tokenization.families import FamilyFormat
from llmctl.tokenization.settings import TokenizerSettings

_PREFIX = "##"
_LONGEST_WORD = 100  # BERT encodes longer words as [UNK], so they teach nothing
_HAN_RANGES = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"  # words by themselves
_HAN = re.compile(f"[{_HAN_RANGES}]")
_LONG_WORD = re.compile(rf"[^\W{_HAN_RANGES}]{{{_LONGEST_WORD + 1},}}")


def train_wordpiece(texts: list[str], settings: TokenizerSettings, family: FamilyFormat) -> Any:
    """WordPiece after BERT's normalization and splitting (Devlin et al. 2019).

    The library's trainer numbers the letters in the order of a hash table, another one at every
    run; handed the alphabet as if it were special tokens, it keeps our order, and the same text
    gives the same file. Returns a `tokenizers.Tokenizer`.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=None,  # with lowercase, as BERT does
        lowercase=settings.lowercase,
    )
    splitter = pre_tokenizers.BertPreTokenizer()
    alphabet = _alphabet(texts, settings.character_coverage, normalizer, splitter)
    reserved = [*family.special_tokens, *alphabet]
    if settings.vocabulary_size < len(reserved):
        raise UsageError(
            f"a vocabulary of {settings.vocabulary_size} is too small: {len(alphabet):,} letters "
            f"cover {100 * settings.character_coverage:g}% of the text and there are "
            f"{len(family.special_tokens)} special tokens",
            hint=f"--vocab-size {2 * len(reserved)}, or a lower character coverage",
        )
    unknown = family.roles["unk_token"]
    learner = Tokenizer(models.WordPiece(unk_token=unknown))
    learner.normalizer, learner.pre_tokenizer = normalizer, splitter
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=settings.min_frequency,
        special_tokens=reserved,
        continuing_subword_prefix=_PREFIX,
        limit_alphabet=1,  # the alphabet is ours
        show_progress=False,
    )
    learner.train_from_iterator(_pieces(texts), trainer)

    vocabulary = learner.get_vocab(with_added_tokens=False)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece(prefix=_PREFIX)
    return tokenizer


def _alphabet(texts: list[str], coverage: float, normalizer: Any, splitter: Any) -> list[str]:
    """Letters that cover the text, by code point; then, as `##x`, those found inside words.

    Printable ASCII always belongs to it.
    """
    written: Counter[str] = Counter()
    for text in texts:
        written.update(text)
    counts: Counter[str] = Counter()
    for letter, count in written.items():
        for normal in normalizer.normalize_str(letter).split():
            for part in normal:
                counts[part] += count
    ascii_letters = [chr(code) for code in range(33, 127)]
    kept = {part for letter in ascii_letters for part in normalizer.normalize_str(letter)}
    needed = coverage * counts.total()
    for letter, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if needed <= 0:
            break
        kept.add(letter)
        needed -= count
    letters = sorted(kept)
    joined = [
        x for x in letters if len(splitter.pre_tokenize_str(f"a{x}a")) == 1 and not _HAN.match(x)
    ]
    return [*letters, *(_PREFIX + letter for letter in joined)]


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield _LONG_WORD.sub(" ", text)
