"""The first half of pretraining: a tokenizer and packed token shards, made once and then found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmctl import console, files
from llmctl.data.blocks import Blocks
from llmctl.data.settings import DataSettings
from llmctl.data.shard_meta import is_packed
from llmctl.data.shards import TokenShards
from llmctl.errors import UsageError
from llmctl.models.find import find_tokenizer
from llmctl.models.load import model_folder, read_architecture
from llmctl.models.presets import PRESETS
from llmctl.pipelines.run_folder import RunRecord, check_same_data
from llmctl.pipelines.training_data import (
    iterate_training_texts,
    keep_standard_input,
    pack_for_training,
    sources_fingerprint,
)
from llmctl.recipe.schema import PretrainRecipe
from llmctl.tokenization.load import Vocabulary, load_tokenizer, make_encoder, vocabulary_of
from llmctl.tokenization.save import save_tokenizer
from llmctl.tokenization.train import train_tokenizer
from llmctl.training.processes import Processes

_PLACES = "data.json"
"""In RUN/data: where the packed shards are, written when they are complete."""
_BAD_ROWS = "bad_rows.jsonl"
_LONGEST_DEFAULT_BLOCK = 1024


@dataclass(frozen=True)
class Inputs:
    """What the model is built for and trained on."""

    tokenizer_folder: Path
    vocabulary: Vocabulary
    train: Blocks
    validation: Blocks | None
    block_length: int


def prepare_inputs(
    recipe: PretrainRecipe, folder: Path, processes: Processes, record: RunRecord
) -> Inputs:
    """Make the tokenizer and the shards in the run folder, on the main process; find them after.

    Raises:
        SettingsMismatch: a source file has changed since the run began.
    """
    tokenizer_folder, data_folder = folder / "tokenizer", folder / "data"

    def make_missing() -> None:
        data = keep_standard_input(recipe.data, data_folder / "standard-input")
        fingerprint = sources_fingerprint(data)
        check_same_data(record, fingerprint)
        if not (tokenizer_folder / "tokenizer_config.json").exists():
            _make_tokenizer(recipe, data, tokenizer_folder, data_folder / _BAD_ROWS)
        if not (data_folder / _PLACES).exists():
            _pack(data, tokenizer_folder, data_folder)
        record.update(data={"sources": fingerprint})

    processes.on_main(make_missing)
    data = record.content.get("data", {})
    places = files.read_json(data_folder / _PLACES)
    places = {name: place and str(data_folder / place) for name, place in places.items()}
    tokenizer = load_tokenizer(str(tokenizer_folder))
    vocabulary = vocabulary_of(tokenizer)
    block_length = recipe.data.block_length or _positions(recipe)
    train = _open(recipe, places["train"], block_length)
    validation = None
    if places["validation"] is None:
        console.warn(
            "there is no text to validate on, so the last checkpoint becomes the model; "
            "name some with data.validation=FILE"
        )
    else:
        validation = _open(recipe, places["validation"], block_length)
    record.update(
        tokenizer={"sha256": vocabulary.sha256, "size": vocabulary.size},
        data={
            **data,
            "train": _summary(train, places["train"]),
            "validation": validation and _summary(validation, places["validation"]),
            "block_length": block_length,
        },
    )
    return Inputs(tokenizer_folder, vocabulary, train, validation, block_length)


def _make_tokenizer(
    recipe: PretrainRecipe, data: DataSettings, folder: Path, bad_rows: Path
) -> None:
    """Copy the tokenizer that the recipe or the checkpoint names, or train one on the text."""
    source = recipe.tokenizer.path
    if source is None and recipe.model.path is not None:
        source = str(find_tokenizer(recipe.model.path))
    if source is not None:
        temporary = folder.with_name(f"{files.TEMPORARY_PREFIX}tokenizer")
        files.remove_folder(temporary)
        save_tokenizer(load_tokenizer(source), temporary)
        files.commit_folder(temporary, folder)
        return
    if any(is_packed(Path(name)) for name in data.train):
        raise UsageError(
            "data.train is packed already, and the tokenizer it was packed with is not named",
            hint="tokenizer.path=FOLDER",
        )
    size = recipe.tokenizer.vocabulary_size
    console.note(f"training a tokenizer: {recipe.tokenizer.kind}, {size:,} tokens")
    texts = iterate_training_texts(data, bad_rows_file=bad_rows)
    train_tokenizer(texts, recipe.tokenizer, folder)


def _pack(data: DataSettings, tokenizer_folder: Path, folder: Path) -> None:
    """Tokenize into RUN/data, or find the packed folder that the recipe names."""
    tokenizer = load_tokenizer(str(tokenizer_folder))
    vocabulary = vocabulary_of(tokenizer)
    train, validation = pack_for_training(
        data, encode=make_encoder(tokenizer), vocabulary=vocabulary, folder=folder
    )
    found = {"train": train, "validation": validation}
    files.write_json(folder / _PLACES, {k: _place(p, folder) for k, p in found.items()})


def _place(packed: Path | None, folder: Path) -> str | None:
    """Relative inside the run folder, so that it can be moved; absolute elsewhere."""
    if packed is None:
        return None
    inside = packed.resolve().is_relative_to(folder.resolve())
    return str(packed.resolve().relative_to(folder.resolve()) if inside else packed.resolve())


def _open(recipe: PretrainRecipe, place: str, block_length: int) -> Blocks:
    window, stride = recipe.objective.window(block_length)
    return Blocks(TokenShards.open(Path(place)), window, stride)


def _positions(recipe: PretrainRecipe) -> int:
    """The default block length: what the preset or the checkpoint can take, 1024 at most."""
    if recipe.model.preset is not None:
        config = {**PRESETS[recipe.model.preset].config, **recipe.model.config}
    else:
        assert recipe.model.path is not None
        config = read_architecture(model_folder(recipe.model.path)).to_dict()
    lengths = [
        config[name] for name in ("n_positions", "max_position_embeddings") if name in config
    ]
    return min([*lengths, _LONGEST_DEFAULT_BLOCK])


def _summary(blocks: Blocks, place: str) -> dict[str, Any]:
    meta = blocks.shards.meta
    return {
        "folder": place,
        "tokens": meta.tokens,
        "documents": meta.documents,
        "bytes": meta.bytes,
        "rows": len(blocks),
        "source_sha256": meta.source_sha256,
    }
