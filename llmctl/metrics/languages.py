"""What language a text is in, as far as a metric must know it: where blanks do not part words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llmctl.errors import UsageError

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"
"""Letters of Chinese, Japanese and Korean writing, as ranges for a regular expression."""

_HAN, _KANA, _HANGUL = (re.compile(f"[{letters}]") for letters in (HAN, KANA, HANGUL))
_CODE = re.compile(r"([a-z]{2,3})([-_][a-z0-9]+)*")
_LANGUAGE_OF_CODE = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "wuu", "lzh"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja"),
    **dict.fromkeys(("ko", "kor"), "ko"),
}
_NAMES = {"zh": "Chinese", "ja": "Japanese", "ko": "Korean"}
_ENOUGH = 0.2
"""From this share of the letters on, a text counts as Chinese, Japanese or Korean: names, code and
abbreviations in Latin letters stand in it, and one Han character says as much as several of them.
"""
_KANA_OF_JAPANESE = 0.1


@dataclass(frozen=True)
class Letters:
    """How many letters some texts have, and of which writing."""

    all: int
    han: int
    kana: int
    hangul: int

    @property
    def asian_share(self) -> float:
        return (self.han + self.kana + self.hangul) / max(self.all, 1)

    @property
    def unspaced_share(self) -> float:
        """The share of letters of writing without blanks between words: Chinese and Japanese."""
        return (self.han + self.kana) / max(self.all, 1)

    @property
    def language(self) -> str:
        """`zh`, `ja`, `ko`, or nothing for any other.

        >>> [count_letters([text]).language for text in ("他在GitHub上。", "Lu Xun (鲁迅) wrote")]
        ['zh', '']
        """
        if self.asian_share < _ENOUGH:
            return ""
        if self.hangul > self.han + self.kana:
            return "ko"
        return "ja" if self.kana >= _KANA_OF_JAPANESE * (self.han + self.kana) else "zh"


def count_letters(texts: Iterable[str]) -> Letters:
    """The letters of all texts together.

    >>> count_letters(["北京 is big", "ひと"])
    Letters(all=9, han=2, kana=2, hangul=0)
    """
    joined = "".join(texts)
    if joined.isascii():
        return Letters(sum(map(str.isalpha, joined)), 0, 0, 0)
    counts = (len(letters.findall(joined)) for letters in (_HAN, _KANA, _HANGUL))
    return Letters(sum(map(str.isalpha, joined)), *counts)


def language_of(language: str, letters: Letters) -> str:
    """`zh`, `ja`, `ko` or nothing: of a language's code, or for `auto` of the letters.

    Raises:
        UsageError: not the code of a language.

    >>> language_of("zh-CN", Letters(0, 0, 0, 0)), language_of("en", Letters(0, 0, 0, 0))
    ('zh', '')
    """
    if language == "auto":
        return letters.language
    match = _CODE.fullmatch(language.lower())
    if match is None:
        raise UsageError(
            f"language {language!r} is not a code of two or three letters, such as en, zh or zh-CN",
            hint="--language auto looks at the letters of the references",
        )
    return _LANGUAGE_OF_CODE.get(match[1], "")


def why(language: str, letters: Letters) -> str:
    """The reason for a choice by the letters, as it is told.

    >>> why("zh", Letters(all=100, han=90, kana=0, hangul=0))
    '90% of the letters in the references are Chinese'
    """
    share = f"{letters.asian_share:.0%} of the letters in the references are"
    return f"{share} {_NAMES.get(language, 'Chinese, Japanese or Korean')}"
