"""Load a model with its head, whole or not at all, from a folder or the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from llmctl.errors import DataError, SettingsMismatch, UsageError
from llmctl.models import register
from llmctl.models.adapter_files import is_adapter
from llmctl.models.architecture import refuse_other_architectures
from llmctl.models.families import REGISTERED, maximum_row
from llmctl.models.find import download_model, find_model, find_tokenizer, is_run_folder
from llmctl.models.heads import HEADS
from llmctl.models.safety import check_model_folder, read_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "choose_device", "choose_dtype", "find_model", "find_tokenizer", "is_run_folder",
    "load_causal_model", "load_model", "maximum_positions", "model_folder", "quiet_transformers",
    "read_architecture",
]  # fmt: skip

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_KEYS_SHOWN = 5
_MAY_BE_LEFT_OVER = {"masked": ("pooler.", "cls.seq_relationship.", "sop_classifier.")}
"""By head: weights of a head for pairs of sentences, that a model may have beside this one."""


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU.

    Raises:
        UsageError: no such device, or a GPU where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"no device is called {name!r}; auto, cpu, cuda or cuda:1 …") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"device {name!r} was asked for, but there are {count} GPUs", hint="--device auto"
        )
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is float32 on a CPU and bfloat16 on a GPU that has it.

    Raises:
        UsageError: not one of auto, float32, bfloat16, float16.
    """
    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    if name not in DTYPES:
        raise UsageError(f"no dtype is called {name!r}; choose one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def load_causal_model(
    name: str | Path, *, device: str = "auto", dtype: str = "auto"
) -> PreTrainedModel:
    """A causal language model: `load_model` with its head."""
    return load_model(name, "causal", device=device, dtype=dtype)


def load_model(
    name: str | Path, head: str, *, device: str = "auto", dtype: str = "auto"
) -> PreTrainedModel:
    """A model with a head of `llmctl.models.heads.HEADS`, in evaluation mode, on its device.

    Only safetensors are read and no code from the folder is run. Every weight of the architecture
    must be in the file and the other way round; tied weights count once. A masked language model
    may leave the head for pairs of sentences unread that it was pretrained with. An adapter folder
    is merged into its base, which must be there, unchanged.

    Args:
        name: what `find_model` takes.
        head: a word of HEADS; "replaced" also reads the generator beside the discriminator.
        device: see `choose_device`.
        dtype: see `choose_dtype`.

    Raises:
        InputMissing: a path or its weights are not there.
        NetworkError: a Hub name that cannot be had.
        SafetyError: code, pickled weights, or file names that leave the folder.
        SettingsMismatch: weights are missing, left over, or of other shapes than the config says.
        UsageError: the model has another head or architecture.
        DataError: a damaged file.
    """
    on_device = choose_device(device)
    as_dtype = choose_dtype(dtype, on_device)
    folder = model_folder(name)
    model = _load_folder(folder, head, as_dtype)
    if head == "replaced":
        from llmctl.models.replaced import generator_folder, join

        generator = generator_folder(folder)
        check_model_folder(generator)
        model = join(_load_folder(generator, "masked", as_dtype), model)
    return model.to(on_device).eval()


def _load_folder(folder: Path, head: str, dtype: torch.dtype) -> PreTrainedModel:
    refuse_other_architectures(read_architecture(folder), folder, head)
    if is_adapter(folder):
        from llmctl.models.adapted import load_merged

        return load_merged(folder, head).to(dtype)
    with quiet_transformers():
        model, info = _read_weights(folder, head, dtype)
    _refuse_differences(info, folder, _MAY_BE_LEFT_OVER.get(head, ()))
    return model


def model_folder(name: str | Path) -> Path:
    """The local folder of a model, checked to be safe to open; a Hub model is downloaded.

    Raises:
        InputMissing, NetworkError, SafetyError, UsageError: see `load_causal_model`.
    """
    found = find_model(name)
    folder = download_model(found) if isinstance(found, str) else found
    check_model_folder(folder)
    return folder


def maximum_positions(config: Any) -> int | None:
    """The longest input in tokens that a transformers config says; None where there is no limit."""
    return maximum_row(config.to_dict())


def read_architecture(folder: Path) -> Any:
    """The transformers config object of a folder.

    Raises:
        UsageError: an architecture that this version of transformers does not know.
    """
    import transformers

    if read_config(folder).get("model_type") in REGISTERED:
        register()
    try:
        with quiet_transformers():
            return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / 'config.json'} names no architecture that transformers "
            f"{transformers.__version__} knows: {str(error).strip().splitlines()[0]}"
        ) from error


def _read_weights(
    folder: Path, head: str, dtype: torch.dtype
) -> tuple[PreTrainedModel, dict[str, Any]]:
    import transformers
    from safetensors import SafetensorError

    try:
        model, info = getattr(transformers, HEADS[head].auto_class).from_pretrained(
            folder,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # so that they are listed; they are refused below
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise DataError(f"the weights in {folder} are damaged: {error}") from error
    except (ValueError, ImportError, OSError) as error:
        raise UsageError(
            f"{folder} cannot be loaded: {str(error).strip().splitlines()[0]}"
        ) from error
    return model, info


def _refuse_differences(
    info: dict[str, Any], folder: Path, may_be_left_over: tuple[str, ...]
) -> None:
    left_over = [key for key in info["unexpected_keys"] if not _any_in(may_be_left_over, key)]
    found = {
        "missing from the file": sorted(info["missing_keys"]),
        "unknown to the architecture": sorted(left_over),
        "of another shape": sorted(_mismatch(entry) for entry in info["mismatched_keys"]),
    }
    wrong = {what: keys for what, keys in found.items() if keys}
    if not wrong:
        return
    parts = []
    for what, keys in wrong.items():
        more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
        parts.append(f"{len(keys)} {what} ({', '.join(keys[:_KEYS_SHOWN])}{more})")
    raise SettingsMismatch(
        f"the weights in {folder} do not fit its config.json: {'; '.join(parts)}",
        hint=f"compare the config with the run that wrote the weights: {folder / 'config.json'}",
    )


def _any_in(parts: tuple[str, ...], key: str) -> bool:
    return any(part in key for part in parts)


def _mismatch(entry: tuple[str, Any, Any]) -> str:
    name, in_file, in_model = entry
    return f"{name}: {list(in_file)} in the file, {list(in_model)} in the config"


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the log lines and bars of transformers; what matters in them is raised here."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
