"""Finding a recipe by name or path, and reading only what can be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl.errors import InputMissing, RecipeError, StorageError, UsageError
from llmctl.recipe.find import find_recipe, read_recipe_text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_bare_name_is_the_shipped_recipe_even_beside_a_folder_of_that_name() -> None:
    Path("gpt-tiny").mkdir()

    assert find_recipe("gpt-tiny").name == "gpt-tiny.yaml"


def test_a_path_is_taken_as_it_is() -> None:
    Path("gpt-tiny.yaml").touch()
    Path("mine").touch()

    assert find_recipe("gpt-tiny.yaml") == Path("gpt-tiny.yaml")
    assert find_recipe("./gpt-tiny.yaml") == Path("gpt-tiny.yaml")
    assert find_recipe("mine") == Path("mine")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("gpt-tinny", "gpt-tinny is neither a file nor a shipped recipe",
         "did you mean 'gpt-tiny'?"),
        ("gpt-tiny.yml", "gpt-tiny.yml does not exist", "did you mean 'gpt-tiny'?"),
        ("sub/mien.yaml", "sub/mien.yaml does not exist", "did you mean 'sub/mine.yaml'?"),
        ("sub/mine", "sub/mine does not exist", "did you mean 'sub/mine.yaml'?"),
        ("no/where.yaml", "no/where.yaml does not exist", "`llmctl recipe list` shows"),
        ("", "a recipe is neither a file nor a shipped recipe", "`llmctl recipe list` shows"),
    ],
)  # fmt: skip
def test_a_missing_recipe_is_code_66_with_the_nearest_name(
    name: str, message: str, hint: str
) -> None:
    Path("sub").mkdir()
    Path("sub/mine.yaml").touch()

    with pytest.raises(InputMissing) as caught:
        find_recipe(name)

    assert caught.value.exit_code == 66
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint)


def test_a_run_folder_leads_to_its_recipe() -> None:
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/recipe.yaml").touch()

    with pytest.raises(UsageError, match="runs/a is a folder") as caught:
        find_recipe("runs/a")

    assert caught.value.hint == "did you mean runs/a/recipe.yaml?"


@pytest.mark.parametrize(
    ("content", "said", "where"),
    [
        (b"schema: 1\ntitle: \xff\n", "is not UTF-8 text (byte 0xff); save it as UTF-8", ":2"),
        (b"\x7fELF\0\0", "is not a text file", ""),
        (b"x" * 300_000, "is larger than 256 KiB; a recipe is a short text", ""),
    ],
)
def test_what_cannot_be_a_recipe_is_refused(content: bytes, said: str, where: str) -> None:
    Path("a.yaml").write_bytes(content)

    with pytest.raises(RecipeError) as caught:
        read_recipe_text(Path("a.yaml"))

    (problem,) = caught.value.problems
    assert (problem.path, problem.text, problem.source) == ("file", said, f"a.yaml{where}")
    assert (caught.value.hint or "").startswith("`llmctl recipe list`")


def test_a_book_given_as_a_recipe_leads_to_training_on_it() -> None:
    Path("book.txt").write_bytes(b"x" * 300_000)

    with pytest.raises(RecipeError) as caught:
        read_recipe_text(Path("book.txt"))

    assert caught.value.hint == (
        "to train on it: llmctl pretrain gpt-tiny data.train=book.txt -o runs/first"
    )


def test_a_byte_order_mark_is_passed_over() -> None:
    Path("a.yaml").write_bytes(b"\xef\xbb\xbfschema: 1\r\n")

    assert read_recipe_text(Path("a.yaml")) == "schema: 1\r\n"


def test_a_file_that_cannot_be_read_is_code_74(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*: Is a directory") as caught:
        read_recipe_text(tmp_path)

    assert caught.value.exit_code == 74
