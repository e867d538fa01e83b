"""From the words a person types to the files to read, in a fixed order."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmctl import console
from llmctl.bundled import BUNDLED, bundled_data
from llmctl.data.shard_meta import is_packed
from llmctl.errors import DataError, InputMissing
from llmctl.registry import nearest

STANDARD_INPUT = "-"
FORMATS = {
    ".txt": "text", ".md": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".conll": "conll", ".conllu": "conll",
    ".iob2": "conll", ".iob": "conll", ".bio": "conll",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_ABOUT_THE_DATA = {"license", "licence", "notice", "readme", "copying", "changelog"}
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One thing to read.

    `path` is shown to people; `name` (without the folders above the source) goes into the ids of
    documents, so that they do not depend on where the data lies. `size` is None for what is not a
    file.
    """

    path: str
    name: str
    format: str
    compression: str | None = None
    size: int | None = None
    split: str = "train"
    """Which part of a data set that has several."""
    digest: Any = field(default=None, compare=False)
    """A running sha256 of what can be read only once; complete when it has been read."""


def find_inputs(sources: Sequence[str], *, split: str = "train") -> list[InputFile]:
    """The files behind files, folders, globs, `-`, prepared folders and dataset names.

    Folders are searched to the bottom for known endings, in sorted order, without hidden files. A
    file that two sources name is read once. Of a prepared folder or a dataset with several parts,
    `split` is taken; of a prepared folder, "all" takes everything.

    Raises:
        InputMissing: a source is not there, or holds no file of a known kind.
        DataError: a source is of a kind that holds no text.
    """
    found: dict[str, InputFile] = {}
    for source in sources:
        for file in _find(source, split):
            key = file.path if file.size is None else os.path.realpath(file.path)
            found.setdefault(key, file)
    return list(found.values())


def is_prepared(folder: Path) -> bool:
    """Whether a folder was written by `llmctl data prepare`."""
    from llmctl.data.document_shards import MANIFEST_NAME, manifest_kind

    return (folder / MANIFEST_NAME).is_file() and manifest_kind(folder) == "documents"


def _find(source: str, split: str) -> list[InputFile]:
    if source.startswith(BUNDLED):
        return _find(str(bundled_data(source.removeprefix(BUNDLED))), split)
    if source.startswith(("http://", "https://")):
        raise InputMissing(
            f"{source} is an address, and files are read; nothing is fetched from the network",
            hint=f"curl -O {source}",
        )
    path = Path(source).expanduser()
    if source == STANDARD_INPUT:
        return [_once(STANDARD_INPUT)]
    if source.startswith("datasets:"):
        return [InputFile(source, source, "datasets", split=split)]
    if path.is_dir():
        return _find_in_folder(path, split)
    if path.exists():
        return [_as_input(path, path.name)]
    if glob.has_magic(source):
        return _find_glob(str(path))
    if looks_like_hub_name(source):
        return [InputFile(f"datasets:{source}", source, "datasets", split=split)]
    raise _missing(path)


def looks_like_hub_name(source: str) -> bool:
    """Whether a name of nothing here may be a dataset on the Hub: `org/name`, in no local folder.

    >>> looks_like_hub_name("wikimedia/wikipedia"), looks_like_hub_name("texts/book.txt")
    (True, False)
    """
    return (
        _HUB_NAME.fullmatch(source) is not None
        and _format_of(Path(source))[0] is None
        and not Path(source).parent.is_dir()
    )


def _find_in_folder(folder: Path, split: str) -> list[InputFile]:
    if is_packed(folder):
        raise DataError(
            f"{folder} holds packed tokens, not text", hint="name the texts it was packed from"
        )
    if is_prepared(folder):
        from llmctl.data.document_shards import prepared_inputs

        return prepared_inputs(folder, split)
    if any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        return [InputFile(f"datasets:{folder}", folder.name, "datasets", split=split)]
    paths, left_out = _walk(folder)
    if left_out:
        console.note(f"left out (name them to read them): {', '.join(map(str, left_out))}")
    if not paths:
        endings = " ".join(FORMATS)
        raise InputMissing(
            f"{folder} holds no file that can be read; known endings are {endings}, "
            "each also with .gz or .zst"
        )
    return [_as_input(path, path.relative_to(folder).as_posix()) for path in paths]


def _find_glob(pattern: str) -> list[InputFile]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
    paths = sorted(path for path in matches if Path(path).is_file())
    if not paths:
        raise InputMissing(f"no file matches {pattern}")
    fixed = re.split(r"[*?[]", pattern, maxsplit=1)[0]
    above = fixed.rfind("/") + 1
    return [_as_input(Path(path), path[above:]) for path in paths]


def _as_input(path: Path, name: str) -> InputFile:
    file_format, compression = _format_of(path)
    if not path.is_file():  # a pipe, such as <(zcat texts.gz): can be read only once
        return _once(str(path))
    return InputFile(str(path), name, file_format or "text", compression, path.stat().st_size)


def _once(path: str) -> InputFile:
    return InputFile(path, path, "stdin", digest=hashlib.sha256())


def _format_of(path: Path) -> tuple[str | None, str | None]:
    """The format and the compression that a file's name promises."""
    compression = COMPRESSIONS.get(path.suffix.lower())
    inner = Path(path.stem) if compression else path
    return FORMATS.get(inner.suffix.lower()), compression


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of known endings below a folder, sorted, and what is left out on purpose.

    Left out are licences and the like, and folders that llmctl wrote: read again, they would repeat
    the text that they were made of.
    """
    found: list[Path] = []
    left_out: list[Path] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        ours = {name for name in folders if is_packed(here / name) or is_prepared(here / name)}
        left_out += [here / name for name in ours]
        folders[:] = [name for name in folders if name not in ours and not name.startswith(".")]
        for path in (here / name for name in names if not name.startswith(".")):
            if _format_of(path)[0] is not None:
                is_about = path.name.split(".")[0].lower() in _ABOUT_THE_DATA
                (left_out if is_about else found).append(path)
    return sorted(found), sorted(left_out)


def _missing(path: Path) -> InputMissing:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    close = nearest(path.name, names)
    return InputMissing(
        f"{path} does not exist", hint=f"did you mean {folder / close}?" if close else None
    )
