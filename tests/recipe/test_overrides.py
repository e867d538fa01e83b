"""`key.path=value` words."""

from __future__ import annotations

import pytest

from llmctl.recipe.overrides import Override, OverrideError, apply_override, read_override


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=mybook.txt", "mybook.txt"),
        ("a=my book.txt", "my book.txt"),
        ("a=C:x", "C:x"),
        ("a=C:\\new\\text", "C:\\new\\text"),
        ("a=a: b", "a: b"),
        ("a=#1", "#1"),
        ("a=x #1", "x #1"),
        ("a=*.txt", "*.txt"),
        ("a=&x", "&x"),
        ("a=!x", "!x"),
        ("a=@x", "@x"),
        ("a=- x", "- x"),
        ("a=-", "-"),
        ("a=> x", "> x"),
        ("a=b=c", "b=c"),
        ("a=bleu>=30", "bleu>=30"),
        ("a='it", "'it"),
        ("a='a' or 'b'", "'a' or 'b'"),
        ("a=诗.txt", "诗.txt"),
        ("a=no", "no"),
        ("a=012", "012"),
        ("a='5'", "5"),
        ('a="C:\\\\x"', "C:\\x"),
        ('a=""', ""),
        ("a=", None),
        ("a= null ", None),
        ("a=true", True),
        ("a=1e6", 1e6),
        ("a= 5 ", 5),
        ("a=[a.txt,b c.txt]", ["a.txt", "b c.txt"]),
        ("a=[C:\\x, 1, '2']", ["C:\\x", 1, "2"]),
        ("a=[]", []),
        ("a={name: sgd, b: {c: 1e-3}}", {"name": "sgd", "b": {"c": 1e-3}}),
    ],
)
def test_a_value_means_what_it_looks_like(word: str, value: object) -> None:
    assert read_override(word).value == value


def test_the_path_ends_at_the_first_sign() -> None:
    assert read_override("model.config.x-y=1=2") == Override(("model", "config", "x-y"), "1=2")


@pytest.mark.parametrize(
    ("word", "path", "said"),
    [
        ("mine.yaml", "mine.yaml", "write it as mine.yaml=value"),
        ("=3", "=3", "the part before '=' must be key.path, such as data.train"),
        ("a..b=3", "a..b=3", "must be key.path"),
        (".a=3", ".a=3", "must be key.path"),
        ("a b=3", "a b=3", "must be key.path"),
        ("a[0]=3", "a[0]=3", "must be key.path"),
        ("a.b=[x", "a.b", "a list is opened here with '[' and not closed"),
        ("a=[*.txt]", "a", "a text that begins with '*' needs quotes"),
        ("a={b: 1", "a", "a section is opened here with '{'"),
        ("a=[x] y", "a", "a text that begins with '[' needs quotes inside the shell's quotes"),
    ],
)
def test_a_bad_word_is_explained(word: str, path: str, said: str) -> None:
    with pytest.raises(OverrideError) as caught:
        read_override(word)

    assert caught.value.path == path
    assert said in str(caught.value)


def test_missing_sections_are_made_and_the_rest_is_kept() -> None:
    data = {"a": {"x": 1}, "e": None}

    data = apply_override(data, Override(("a", "b", "c"), 2))
    data = apply_override(data, Override(("e", "f"), 3))

    assert data == {"a": {"x": 1, "b": {"c": 2}}, "e": {"f": 3}}


def test_the_given_data_is_not_changed() -> None:
    data = {"a": {"x": 1}}

    apply_override(data, Override(("a", "x"), 2))

    assert data == {"a": {"x": 1}}


def test_nothing_can_be_set_below_a_value() -> None:
    with pytest.raises(OverrideError, match="is the number 5, which has no settings below it"):
        apply_override({"a": {"b": 5}}, Override(("a", "b", "c"), 1))
