"""Tokens of text in any writing: words where blanks part them, else single characters."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

from llmctl.metrics.languages import HAN, HANGUL, KANA

_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_ASCII_TOKENS = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]")
_SINGLE = f"[{HAN}{KANA}{HANGUL}]"
_HAS_SINGLE = re.compile(_SINGLE)


def words(text: str) -> list[str]:
    """Lower-cased runs of letters and digits; of Chinese, Japanese and Korean each character.

    Of ASCII text these are the tokens of rouge_score, which drops every other letter.

    >>> words("GPT-2模型的 café naïve_fox")
    ['gpt', '2', '模', '型', '的', 'café', 'naïve', 'fox']
    """
    text = text.lower()
    if text.isascii():
        return _ASCII_WORDS.findall(text)
    found: list[str] = _patterns()[0].findall(text)
    return found


def tokens(text: str) -> list[str]:
    """`words` with their case, and every other character that is no blank a token of its own.

    >>> tokens("It's 好!")
    ['It', "'", 's', '好', '!']
    """
    if text.isascii():
        return _ASCII_TOKENS.findall(text)
    found: list[str] = _patterns()[1].findall(text)
    return found


def has_single_characters(text: str) -> bool:
    """Whether a text has Chinese, Japanese or Korean letters."""
    return not text.isascii() and _HAS_SINGLE.search(text) is not None


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of `words` and of `tokens`. Vowel signs and accents of a letter's own belong to its word."""
    marks = _ranges_of_marks()
    run = rf"(?!{_SINGLE})[^\W_](?:(?!{_SINGLE})[^\W_]|[{marks}])*"
    word = f"{_SINGLE}|{run}"
    return re.compile(word), re.compile(rf"{word}|[^\s]")


def _ranges_of_marks() -> str:
    """All characters that combine with the one before, as ranges for a regular expression."""
    points = [p for p in range(sys.maxunicode + 1) if unicodedata.category(chr(p))[0] == "M"]
    runs = [
        [point for _, point in run]
        for _, run in groupby(enumerate(points), key=lambda pair: pair[1] - pair[0])
    ]
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)
