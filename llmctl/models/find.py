"""From the word a user types as MODEL to a folder with a model, and to the tokenizer beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from llmctl.errors import InputMissing, NetworkError, UsageError
from llmctl.registry import nearest

ModelChoice = Literal["best", "last", "model"]
SEEDS = "seeds.json"

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.txt")
_SEARCH_ORDER: dict[ModelChoice, tuple[str, ...]] = {
    "model": ("model", "best", "last"),
    "best": ("best",),
    "last": ("last",),
}
_HUB_FILES = [
    "config.json", "generation_config.json", "model.safetensors", "model-*-of-*.safetensors",
    "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt",
    "spiece.model", "chat_template.jinja",
]  # fmt: skip


def is_run_folder(path: Path) -> bool:
    """A folder that `llmctl pretrain` or `llmctl finetune` wrote."""
    return (path / "run.json").is_file()


def is_seeds_folder(path: Path) -> bool:
    """A folder of `llmctl finetune --seeds`: a run for each, and a link to the best model."""
    return (path / SEEDS).is_file()


def find_model(name: str | Path, *, what: ModelChoice = "model") -> Path | str:
    """The folder that holds a model's config and weights, or the Hub name as it was given.

    A run folder stands for its final model, or while there is none for its best checkpoint, then
    its last; `what` asks for one of them. A folder of several seeds stands for its best one's
    model. `RUN/best`, `RUN/last`, `RUN/checkpoints/step-…` and plain Hugging Face folders stand
    for themselves.

    Raises:
        InputMissing: a path that is not there, or a run folder without the model asked for.
        UsageError: a GGUF file, a single weight file, or something that cannot be a name.
    """
    text = os.fspath(name)
    path = Path(text).expanduser()
    if text.endswith(".gguf"):
        raise UsageError(
            f"{text}: GGUF files cannot be read yet; a folder with config.json and "
            "model.safetensors was expected"
        )
    if path.is_file():
        raise UsageError(
            f"{text} is a file; the folder with config.json and model.safetensors was expected",
            hint=f"give its folder: {path.parent}",
        )
    if path.is_dir():
        is_run = is_run_folder(path) or is_seeds_folder(path)
        return _in_run_folder(path, what) if is_run else path
    if _looks_local(text, path):
        raise InputMissing(f"{text} does not exist; {_expected()}", hint=_sibling_hint(path))
    if not _HUB_NAME.fullmatch(text):
        raise UsageError(f"{text!r} is neither a path nor a Hub name; {_expected()}")
    return text


def run_of(model: str | Path) -> Path | None:
    """The run folder that a model is of: itself, or the one that it lies in."""
    path = Path(model).expanduser()
    if not path.is_dir():
        return None
    near = [path, *path.resolve().parents[:2]]
    return next((folder for folder in near if is_run_folder(folder)), None)


def find_tokenizer(model: str | Path) -> Path | str:
    """What to give to `load_tokenizer` for a model: its own folder, or its run's tokenizer folder.

    Raises:
        InputMissing: neither the model's folder nor its run folder has a tokenizer.
    """
    found = find_model(model)
    if isinstance(found, str):
        return found
    if _has_tokenizer(found):
        return found
    run = run_of(found)
    if run is not None:
        for candidate in (run / "tokenizer", run / "model"):
            if _has_tokenizer(candidate):
                return candidate
    raise InputMissing(
        f"{found} has no tokenizer: none of {', '.join(_TOKENIZER_FILES)} is in it",
        hint="copy the tokenizer that the model was trained with into that folder",
    )


def download_model(name: str) -> Path:
    """The local snapshot of a Hub model: config, safetensors weights and tokenizer, nothing else.

    `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE` are honoured.

    Raises:
        NetworkError: the Hub cannot be reached, or has no such model that one may read.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not os.isatty(2):
        disable_progress_bars()
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except RepositoryNotFoundError as error:
        raise NetworkError(
            f"{name} is no local folder, and the Hub has no such model that you may read",
            hint="check the name, or log in with: hf auth login",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise NetworkError(
            f"{name} is no local folder, and it could not be had from the Hub "
            f"({_first_line(error)}); {_expected()}",
            hint="check the path, the network and HF_ENDPOINT; HF_HUB_OFFLINE=1 forbids downloads",
        ) from error


def _in_run_folder(run: Path, what: ModelChoice) -> Path:
    for choice in _SEARCH_ORDER[what]:
        if (run / choice / "config.json").is_file():
            return run / choice
    wanted = "model" if what == "model" else f"{what} checkpoint"
    raise InputMissing(
        f"the run folder {run} has no {wanted} yet: it wrote no checkpoint so far",
        hint=f"llmctl runs show {run}",
    )


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _TOKENIZER_FILES)


def _looks_local(text: str, path: Path) -> bool:
    """`runs/a` could be a Hub name: where a folder `runs` exists, a path was meant."""
    if text.startswith((".", "/", "~")) or text.count("/") > 1 or text.endswith("/"):
        return True
    return "/" in text and path.parent.is_dir()


def _sibling_hint(path: Path) -> str | None:
    if not path.parent.is_dir():
        return None
    close = nearest(path.name, [entry.name for entry in path.parent.iterdir() if entry.is_dir()])
    return f"did you mean {path.parent / close}?" if close else None


def _expected() -> str:
    return "a run folder, a Hugging Face folder or a Hub name was expected"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
