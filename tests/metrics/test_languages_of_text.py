"""Chinese is never scored by a tokenizer that cannot see it without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU

from llmctl.errors import UsageError
from llmctl.metrics import bleu_tokenizer
from llmctl.metrics.bleu import bleu
from llmctl.metrics.bleu_tokenizer import choose_tokenizer
from llmctl.metrics.languages import Letters, count_letters, language_of
from llmctl.metrics.ter import ter

ENGLISH = Letters(all=100, han=0, kana=0, hangul=0)
CHINESE = Letters(all=100, han=95, kana=0, hangul=0)
JAPANESE = Letters(all=100, han=40, kana=55, hangul=0)
KOREAN = Letters(all=100, han=2, kana=0, hangul=90)
NAMES_ONLY = Letters(all=100, han=5, kana=0, hangul=0)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat.", ""),
        ("Größe und Übermaß, déjà vu", ""),
        ("Привет, мир", ""),
        ("他在GitHub上发布了新版本", "zh"),
        ("臺灣的天氣", "zh"),
        ("𠮷野家", "zh"),
        ("東京は日本の首都です", "ja"),
        ("カタカナ", "ja"),
        ("서울은 한국의 수도이다", "ko"),
        ("The poet Du Fu (杜甫) was born in 712.", ""),
        ("123 !?", ""),
        ("", ""),
    ],
)
def test_a_language_is_told_by_its_letters(text: str, language: str) -> None:
    assert count_letters([text]).language == language


@pytest.mark.parametrize(
    ("code", "language"),
    [("zh", "zh"), ("zh-CN", "zh"), ("zh_Hant_TW", "zh"), ("zho", "zh"), ("cmn", "zh"),
     ("JA", "ja"), ("jpn", "ja"), ("kor", "ko"), ("en", ""), ("de-AT", "")],
)  # fmt: skip
def test_codes_of_a_language_are_known(code: str, language: str) -> None:
    assert language_of(code, ENGLISH) == language


@pytest.mark.parametrize("word", ["chinese", "中文", "", "z", "zh CN"])
def test_what_is_no_code_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not a code") as caught:
        language_of(word, CHINESE)

    assert "--language auto" in str(caught.value.hint)


def test_chinese_gets_its_tokenizer_and_it_is_said() -> None:
    measured = bleu(["今天天气很好"], ["今天天气真好"])

    assert measured.signature["tok"] == "zh"
    assert measured.notes == (
        "tokenizer zh, since 100% of the letters in the references are Chinese",
    )


def test_a_stated_language_needs_no_note() -> None:
    assert choose_tokenizer("auto", "zh", CHINESE) == ("zh", [])
    assert choose_tokenizer("auto", "zh", ENGLISH) == ("zh", [])
    assert choose_tokenizer("auto", "auto", ENGLISH) == ("13a", [])
    assert choose_tokenizer("auto", "de", ENGLISH) == ("13a", [])


@pytest.mark.parametrize(
    ("tokenizer", "language", "letters"),
    [("13a", "auto", CHINESE), ("intl", "zh", CHINESE), ("none", "auto", JAPANESE),
     ("auto", "en", CHINESE), ("auto", "auto", NAMES_ONLY)],
)  # fmt: skip
def test_a_tokenizer_that_cannot_part_the_text_is_warned_of(
    tokenizer: str, language: str, letters: Letters
) -> None:
    chosen, notes = choose_tokenizer(tokenizer, language, letters)

    assert chosen in ("13a", "intl", "none")
    assert "a whole clause counts as one word" in notes[-1]


def test_without_mecab_japanese_and_korean_are_taken_by_character(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bleu_tokenizer, "find_spec", lambda _name: None)

    for language, letters in (("ja", JAPANESE), ("ko", KOREAN)):
        chosen, notes = choose_tokenizer("auto", "auto", letters)

        assert chosen == "char"
        assert f"pip install 'sacrebleu[{language}]'" in notes[1]
        with pytest.raises(UsageError, match="needs a library") as caught:
            choose_tokenizer(f"{language}-mecab", language, letters)
        assert caught.value.hint == f"pip install 'sacrebleu[{language}]'"


def test_with_mecab_japanese_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bleu_tokenizer, "find_spec", lambda _name: object())

    assert choose_tokenizer("auto", "ja", JAPANESE) == ("ja-mecab", [])


def test_a_model_that_is_not_on_disk_is_refused_and_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))

    with pytest.raises(UsageError, match=str(tmp_path / "models")) as caught:
        bleu(["a"], ["a"], tokenizer="flores101")

    assert "sacrebleu_tokenizer_spm.model" in str(caught.value.hint)
    assert "$SACREBLEU" in str(caught.value.hint)


def test_an_unknown_tokenizer_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no tokenizer is called '13b'") as caught:
        bleu(["a"], ["a"], tokenizer="13b")

    assert caught.value.hint == "did you mean '13a'?"


def test_every_name_is_one_of_sacrebleu() -> None:
    ours = set(bleu_tokenizer.Tokenizer.__args__) - {"auto"}

    assert ours == set(BLEU.TOKENIZERS) - {"spm"}  # spm is the old name of flores101


def test_ter_takes_han_characters_for_words_and_says_so() -> None:
    measured = ter(["今天天气很好"], ["今天天气真好"])

    assert measured.values()["ter"] == pytest.approx(100 / 6, rel=1e-12)
    assert "Han characters are words" in measured.notes[0]
    assert measured.signature["norm"] == measured.signature["asian"] == "yes"
    assert ter(["a b"], ["a b"]).signature["asian"] == "no"


def test_ter_warns_where_chinese_is_not_parted() -> None:
    measured = ter(["今天天气很好"], ["今天天气真好"], language="en")

    assert measured.values()["ter"] == 100
    assert "a whole clause of them counts as one word" in measured.notes[0]
