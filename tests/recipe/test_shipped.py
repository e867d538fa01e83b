"""Shipped recipes and bundled data."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl import bundled
from llmctl.bundled import bundled_data, bundled_names
from llmctl.errors import InputMissing
from llmctl.recipe.load import load_recipe
from llmctl.recipe.shipped import shipped_recipes


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package's folder that ships one recipe and some data."""
    package = tmp_path / "site-packages" / "llmctl"
    monkeypatch.setattr(bundled, "_PACKAGE", package)
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
    monkeypatch.setattr(bundled, "_PACKAGE", tmp_path / "llmctl")

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


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_every_shipped_recipe_is_valid_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)

    assert getattr(recipe, "title", "")


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if not name.endswith("-tiny")])
def test_every_shipped_recipe_has_a_tiny_twin(name: str) -> None:
    assert f"{name}-tiny" in shipped_recipes()
