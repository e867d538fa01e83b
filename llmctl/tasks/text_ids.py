"""Texts → ids of tokens, whole or as they go on after others; what people write stays text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from llmctl.errors import UsageError

_ANCHORS = ("\n", "0")
_FIRST_LITERAL = 0xF0000
"""The first of the letters for private use that stand for names of special tokens."""


def plain_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Ids of texts, nothing put around them; `<|endoftext|>` in one is the text that it is."""
    found = _ids(tokenizer, texts, split_special_tokens=True)
    names = special_names(tokenizer)
    for number, text in enumerate(texts):
        inside = [name for name in names if name in text]  # faster than one regular expression
        ids = tokenizer.convert_tokens_to_ids(inside) if inside else []
        if ids and not set(ids).isdisjoint(found[number]):
            found[number] = _ids_of_broken_names(tokenizer, text, names)
    return found


def _ids_of_broken_names(tokenizer: Any, text: str, names: Sequence[str]) -> list[int]:
    """Of a Unigram tokenizer, to which `</s>` is a piece like any other: names are cut after their
    first letter, and each part is tokenized by itself."""
    cuts = [0, *(found.start() + 1 for found in _any_of(names).finditer(text)), len(text)]
    first, *others = (text[start:end] for start, end in pairwise(cuts))
    ids = _ids(tokenizer, [first], split_special_tokens=True)[0]
    return [*ids, *(token for part in others
                    for token in following_ids(tokenizer, [part], as_text=True)[0])]  # fmt: skip


def marked_up_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Ids of texts in which `<|im_start|>` and the like are the special tokens of that name."""
    return _ids(tokenizer, texts, split_special_tokens=False)


def _ids(tokenizer: Any, texts: Sequence[str], *, split_special_tokens: bool) -> list[list[int]]:
    if not texts:
        return []
    found: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, split_special_tokens=split_special_tokens,
        return_attention_mask=False, return_token_type_ids=False, verbose=False,
    )["input_ids"]  # fmt: skip
    return found


def frame_of(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and after a text: `<s>` and `</s>` for BART, only `</s>` for
    T5, nothing for GPT-2."""
    plain = plain_ids(tokenizer, ["a"])[0]
    whole: list[int] = tokenizer("a", verbose=False)["input_ids"]
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return whole[:start], whole[start + len(plain) :]
    return [], []


def end_id(tokenizer: Any) -> int:
    """The token that ends a text: the end of a sequence, or BERT's separator.

    Raises:
        UsageError: the tokenizer has neither, so that a model could not learn to stop.
    """
    for found in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        if found is not None:
            return int(found)
    raise UsageError(
        "the tokenizer has no end-of-sequence token, so the model could not learn to end an answer",
        hint="a tokenizer made by `llmctl tokenizer train --kind unigram --family t5` has one",
    )


def special_names(tokenizer: Any) -> list[str]:
    """The special tokens by their names, the longest first."""
    added = tokenizer.added_tokens_decoder.values()
    names = {token.content for token in added if token.special} | set(tokenizer.all_special_tokens)
    return sorted(names - {""}, key=lambda name: (-len(name), name))


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


class Literals:
    """Takes names of special tokens out of what people wrote, and puts their plain ids back.

    A letter for private use stands for a name while a template writes its own special tokens
    around it, so that a user who types `<|im_end|>` ends nothing.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._names = special_names(tokenizer)
        self._letter_of: Mapping[str, str] = {
            name: chr(_FIRST_LITERAL + number) for number, name in enumerate(self._names)
        }
        self._name_of = {letter: name for name, letter in self._letter_of.items()}
        self._letters = re.compile(f"([{''.join(self._name_of)}])") if self._names else None

    def hide(self, text: str) -> str:
        """The text with a letter for each name."""
        if not any(name in text for name in self._names):
            return text
        return _any_of(self._names).sub(lambda found: self._letter_of[found[0]], text)

    def ids(self, texts: Sequence[Sequence[str]]) -> list[list[list[int]]]:
        """Ids of rendered texts, each in stretches that go on after each other."""
        found = _ids_of_stretches(self._tokenizer, texts)
        letters = self._letters
        if letters is None:
            return found
        for number, stretches in enumerate(texts):
            if any(not text.isascii() and letters.search(text) for text in stretches):
                found[number] = self._ids_with_names(stretches, letters)
        return found

    def _ids_with_names(
        self, stretches: Sequence[str], letters: re.Pattern[str]
    ) -> list[list[int]]:
        found: list[list[int]] = []
        for number, text in enumerate(stretches):
            ids: list[int] = []
            for place, part in enumerate(letters.split(text)):
                begins = number == place == 0
                if part in self._name_of:
                    name = self._name_of[part]
                    ids += following_ids(self._tokenizer, [name], as_text=True)[0]
                elif part:
                    ids += (marked_up_ids if begins else following_ids)(self._tokenizer, [part])[0]
            found.append(ids)
        return found


def _ids_of_stretches(tokenizer: Any, texts: Sequence[Sequence[str]]) -> list[list[list[int]]]:
    """The first stretch of each text is tokenized as what begins one, the others as going on."""
    first = marked_up_ids(tokenizer, [stretches[0] for stretches in texts])
    others = following_ids(tokenizer, [text for stretches in texts for text in stretches[1:]])
    rest = iter(others)
    return [
        [ids, *islice(rest, len(stretches) - 1)]
        for ids, stretches in zip(first, texts, strict=True)
    ]


def following_ids(
    tokenizer: Any, texts: Sequence[str], *, as_text: bool = False
) -> list[list[int]]:
    """Ids of texts that go on after others.

    Tokenizers in SentencePiece's manner put a blank before a text: they are shown something before
    it whose ids are then taken away.

    Args:
        as_text: names of special tokens are text; else they are these tokens.
    """
    ids_of = plain_ids if as_text else marked_up_ids
    for anchor in _ANCHORS if _puts_a_blank_before(tokenizer) else ():
        before = ids_of(tokenizer, [anchor])[0]
        after = ids_of(tokenizer, [anchor + text for text in texts])
        if all(ids[: len(before)] == before for ids in after):
            return [ids[len(before) :] for ids in after]
    return ids_of(tokenizer, texts)


def _puts_a_blank_before(tokenizer: Any) -> bool:
    first = tokenizer.convert_ids_to_tokens(plain_ids(tokenizer, ["a"])[0])[0]
    return str(first).startswith(("▁", "Ġ"))
