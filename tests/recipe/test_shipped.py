"""Shipped recipes and bundled data."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_recipe import ByWord, Data, ToyRecipe

from llmctl.errors import InputMissing
from llmctl.recipe import shipped
from llmctl.recipe.load import load_recipe
from llmctl.recipe.shipped import bundled_data, bundled_names, resolve_bundled, shipped_recipes


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package's folder that ships one recipe and some data."""
    package = tmp_path / "site-packages" / "llmctl"
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    for name in ("recipes/toy/toy.yaml", "recipes/toy/run.sh", "recipes/README.md",
                 "recipes/loose.yaml", "data/sea.txt.gz", "data/poems/a.txt",
                 "data/LICENSE-sea", "data/README.md"):  # fmt: skip
        path = package / "shipped" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return package


def test_a_wheel_brings_its_recipes_and_data(package: Path) -> None:
    assert shipped_recipes() == {"toy": package / "shipped/recipes/toy/toy.yaml"}
    assert bundled_names() == ["poems", "poems/a.txt", "sea.txt.gz"]


def test_folders_beside_an_installed_package_are_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes" / "theirs").mkdir(parents=True)
    (tmp_path / "recipes" / "theirs" / "x.yaml").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "llmctl")

    assert shipped_recipes() == {}
    assert bundled_names() == []


@pytest.mark.parametrize(
    ("name", "path"),
    [("sea.txt.gz", "sea.txt.gz"), ("sea", "sea.txt.gz"), ("poems", "poems"),
     ("poems/a.txt", "poems/a.txt"), ("poems/a", "poems/a.txt")],
)  # fmt: skip
def test_bundled_data_is_found_with_or_without_its_ending(
    package: Path, name: str, path: str
) -> None:
    assert bundled_data(name) == package / "shipped/data" / path


@pytest.mark.parametrize("name", ["see", "", "../recipes/toy/toy.yaml", "/etc/passwd", "README.md"])
@pytest.mark.usefixtures("package")
def test_unknown_data_is_code_66_with_the_list(name: str) -> None:
    with pytest.raises(InputMissing) as caught:
        bundled_data(name)

    assert caught.value.exit_code == 66
    assert caught.value.message == (
        f"no bundled data is called {name!r}; there is poems, poems/a.txt, sea.txt.gz"
    )


@pytest.mark.usefixtures("package")
def test_a_near_name_is_suggested() -> None:
    with pytest.raises(InputMissing) as caught:
        bundled_data("seas.txt")

    assert caught.value.hint == "did you mean bundled:sea.txt.gz?"


def test_bundled_texts_become_paths_anywhere_and_the_recipe_keeps_its_words(package: Path) -> None:
    data = Data(
        train=["bundled:sea", "a.txt"], filters=[ByWord(name="word", words=["bundled:sea"])]
    )
    recipe = ToyRecipe(data=data, config={"x": ["bundled:poems", 1]}, steps=3)

    resolved = resolve_bundled(recipe)

    folder = package / "shipped" / "data"
    assert resolved.data.train == [str(folder / "sea.txt.gz"), "a.txt"]
    assert resolved.data.filters == [ByWord(name="word", words=[str(folder / "sea.txt.gz")])]
    assert resolved.config == {"x": [str(folder / "poems"), 1]}
    assert (resolved.steps, resolved.optimizer) == (3, recipe.optimizer)
    assert recipe.data.train == ["bundled:sea", "a.txt"]


def test_a_recipe_without_bundled_data_is_left_alone() -> None:
    recipe = ToyRecipe(data=Data(train=["a.txt"]))

    assert resolve_bundled(recipe) is recipe


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_every_shipped_recipe_is_valid_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)

    assert getattr(recipe, "title", "")
    resolve_bundled(recipe)


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if not name.endswith("-tiny")])
def test_every_shipped_recipe_has_a_tiny_twin(name: str) -> None:
    assert f"{name}-tiny" in shipped_recipes()
