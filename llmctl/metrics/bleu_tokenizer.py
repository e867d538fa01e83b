"""The tokenizer that BLEU counts with, chosen by language."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from llmctl.errors import UsageError
from llmctl.metrics.languages import Letters, language_of, why
from llmctl.registry import nearest

Tokenizer = Literal[
    "auto", "13a", "zh", "ja-mecab", "ko-mecab", "char", "intl", "none",
    "flores101", "flores200", "spBLEU-1K",
]  # fmt: skip
"""sacreBLEU's tokenizers; `auto` goes by language."""

_NEEDS = {"ja-mecab": ("MeCab", "ja"), "ko-mecab": ("mecab_ko", "ko")}
"""What a tokenizer imports, and the extra of sacreBLEU that brings it."""
_BLIND_TO_UNSPACED = ("13a", "intl", "none")
_ENOUGH_TO_WARN = 0.02


def choose_tokenizer(tokenizer: str, language: str, letters: Letters) -> tuple[str, list[str]]:
    """sacreBLEU's name of the tokenizer, and what a reader should know about the choice.

    Args:
        tokenizer: one of `Tokenizer`.
        language: a code, or `auto`.
        letters: of the references.

    Raises:
        UsageError: no such tokenizer, or one whose library or model file is not here.

    >>> choose_tokenizer("auto", "auto", Letters(all=10, han=9, kana=0, hangul=0))
    ('zh', ['tokenizer zh, since 90% of the letters in the references are Chinese'])
    """
    spoken = language_of(language, letters)
    if tokenizer == "auto":
        chosen, notes = _by_language(spoken)
        if language == "auto" and spoken:
            notes.insert(0, f"tokenizer {chosen}, since {why(spoken, letters)}")
    else:
        _check(tokenizer)
        chosen, notes = tokenizer, []
    if chosen in _BLIND_TO_UNSPACED and letters.unspaced_share >= _ENOUGH_TO_WARN:
        notes.append(
            f"{letters.unspaced_share:.0%} of the letters in the references are Chinese or "
            f"Japanese, which tokenizer {chosen} does not part: a whole clause counts as one word"
        )
    return chosen, notes


def _by_language(language: str) -> tuple[str, list[str]]:
    if language == "zh":
        return "zh", []
    if language not in ("ja", "ko"):
        return "13a", []
    wanted = f"{language}-mecab"
    if _is_installed(wanted):
        return wanted, []
    return "char", [f"tokenizer char, since {wanted} is not here: {_how_to_install(wanted)}"]


def _is_installed(tokenizer: str) -> bool:
    return find_spec(_NEEDS[tokenizer][0]) is not None


def _how_to_install(tokenizer: str) -> str:
    return f"pip install 'sacrebleu[{_NEEDS[tokenizer][1]}]'"


def _check(tokenizer: str) -> None:
    known = list(get_args(Tokenizer))
    if tokenizer not in known:
        close = nearest(tokenizer, known)
        raise UsageError(
            f"no tokenizer is called {tokenizer!r}; choose one of {', '.join(known)}",
            hint=f"did you mean {close!r}?" if close else None,
        )
    if tokenizer in _NEEDS and not _is_installed(tokenizer):
        raise UsageError(
            f"tokenizer {tokenizer} needs a library that is not here",
            hint=_how_to_install(tokenizer),
        )
    _check_model_file(tokenizer)


def _check_model_file(tokenizer: str) -> None:
    """sacreBLEU would download a model that is not on disk, without a word."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    if tokenizer not in SPM_MODELS:
        return
    url = SPM_MODELS[tokenizer]["url"]
    file = Path(SACREBLEU_DIR) / "models" / Path(url).name
    if not file.is_file():
        raise UsageError(
            f"tokenizer {tokenizer} needs the model file {file}, which is not there",
            hint=f"download {url} to that place, or name its parent folder in $SACREBLEU",
        )
