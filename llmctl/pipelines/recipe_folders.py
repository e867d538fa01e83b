"""What a recipe's folders hold: do the model and the tokenizer it names fit what it asks for?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llmctl.errors import UsageError
from llmctl.models.families import maximum_row
from llmctl.models.find import find_model, find_tokenizer
from llmctl.models.presets import PRESETS
from llmctl.models.safety import read_config
from llmctl.recipe.finetune import FinetuneRecipe
from llmctl.recipe.fit import head_of, settle
from llmctl.recipe.schema import PretrainRecipe
from llmctl.section import Section


def check_folders(recipe: Section) -> None:
    """Look into the local folders that a recipe names. What is on the Hub is looked at when it is
    downloaded.

    Raises:
        InputMissing: a folder is not there.
        UsageError: all misfits at once.
    """
    checks: list[Callable[[], None]] = []
    if isinstance(recipe, PretrainRecipe):
        checks = [lambda: _model_learns(recipe), lambda: _tokenizer_has_tokens(recipe)]
    elif isinstance(recipe, FinetuneRecipe):
        checks = [lambda: _model_takes_head(recipe)]
    misfits: list[UsageError] = []
    for check in checks:
        try:
            check()
        except UsageError as error:
            misfits.append(error)
    if misfits:
        hints = [error.hint for error in misfits if error.hint]
        raise UsageError(
            "\n".join(error.message for error in misfits), hint="; ".join(hints) or None
        )


def _local(path: str) -> Path | None:
    """The folder of a model; None where it is a name on the Hub."""
    found = find_model(path)
    return found if isinstance(found, Path) else None


def _model_learns(recipe: PretrainRecipe) -> None:
    """A checkpoint has a head for the objective, and positions for the rows."""
    folder = _local(recipe.model.path) if recipe.model.path is not None else None
    if folder is None:
        return
    config = read_config(folder)
    model_type = str(config.get("model_type"))
    head_of(recipe.objective, model_type)
    settle(recipe.objective, model_type)
    longest, asked = maximum_row(config), recipe.data.block_length
    if asked is not None and longest is not None and asked > longest:
        raise UsageError(
            f"data.block_length is {asked}, but {folder} has {longest} positions",
            hint=f"data.block_length={longest}",
        )


def _tokenizer_has_tokens(recipe: PretrainRecipe) -> None:
    """A tokenizer that is there already has the special tokens that the objective needs."""
    name: str | Path | None = recipe.tokenizer.path
    if name is None and recipe.model.path is not None and _local(recipe.model.path):
        name = find_tokenizer(recipe.model.path)
    if name is None or not Path(name).expanduser().exists():
        return
    from llmctl.tokenization.load import load_tokenizer, vocabulary_of

    recipe.objective.check(vocabulary_of(load_tokenizer(str(name))))


def _model_takes_head(recipe: FinetuneRecipe) -> None:
    """transformers has a class of this model type with a head for the task."""
    from llmctl.models.finetuned import head_for

    if recipe.model.preset is not None:
        model_type = PRESETS[recipe.model.preset].model_type
        head_for(recipe.task.heads, model_type, f"preset {recipe.model.preset}")
        return
    assert recipe.model.path is not None
    folder = _local(recipe.model.path)
    if folder is not None:
        head_for(recipe.task.heads, str(read_config(folder).get("model_type")), str(folder))
