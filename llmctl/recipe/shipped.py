"""Recipes that come with llmctl, by name."""

from __future__ import annotations

from pathlib import Path

from llmctl.bundled import recipes_folder


def shipped_recipes() -> dict[str, Path]:
    """Every shipped recipe by its name: `recipes/quickstart/gpt-tiny.yaml` is `gpt-tiny`."""
    folder = recipes_folder()
    found = sorted(folder.glob("*/*.yaml")) if folder else []
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}
