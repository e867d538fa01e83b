"""Load a causal language model, whole or not at all, from a folder or the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from llmctl.errors import DataError, SettingsMismatch, UsageError
from llmctl.models.find import download_model, find_model, find_tokenizer, is_run_folder
from llmctl.models.safety import check_model_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "choose_device", "choose_dtype", "find_model", "find_tokenizer", "is_run_folder",
    "load_causal_model", "maximum_positions", "model_folder", "quiet_transformers",
    "read_architecture",
]  # fmt: skip

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_KEYS_SHOWN = 5
_POSITION_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")


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
    """A causal language model, in evaluation mode, on its device.

    Only safetensors are read and no code from the folder is run. Every weight of the architecture
    must be in the file and the other way round; tied weights count once.

    Args:
        name: what `find_model` takes.
        device: see `choose_device`.
        dtype: see `choose_dtype`.

    Raises:
        InputMissing: a path or its weights are not there.
        NetworkError: a Hub name that cannot be had.
        SafetyError: code, pickled weights, or file names that leave the folder.
        SettingsMismatch: weights are missing, left over, or of other shapes than the config says.
        UsageError: the model is not a causal language model.
        DataError: a damaged file.
    """
    on_device = choose_device(device)
    as_dtype = choose_dtype(dtype, on_device)
    folder = model_folder(name)
    refuse_other_architectures(read_architecture(folder), folder)
    with quiet_transformers():
        model, info = _read_weights(folder, as_dtype)
    _refuse_differences(info, folder)
    return model.to(on_device).eval()


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
    for key in _POSITION_KEYS:
        value = getattr(config, key, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def read_architecture(folder: Path) -> Any:
    """The transformers config object of a folder.

    Raises:
        UsageError: an architecture that this version of transformers does not know.
    """
    import transformers

    try:
        with quiet_transformers():
            return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / 'config.json'} names no architecture that transformers "
            f"{transformers.__version__} knows: {str(error).strip().splitlines()[0]}"
        ) from error


def refuse_other_architectures(config: Any, folder: Path) -> None:
    """Let only causal language models through: encoders and encoder-decoders have no such score.

    Raises:
        UsageError: says what the model is.
    """
    from transformers.models.auto import modeling_auto as tables

    causal = tables.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    bare = tables.MODEL_MAPPING_NAMES.get(config.model_type)
    sees_both_sides = (
        config.model_type in tables.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_decoder
    )
    names = [name for name in (config.architectures or []) if isinstance(name, str)] or [causal]
    if (
        causal
        and not config.is_encoder_decoder
        and not sees_both_sides
        and names[0] in (causal, bare)
    ):
        return
    kind = "a decoder with another head"
    if config.is_encoder_decoder:
        kind = "an encoder-decoder"
    elif sees_both_sides or not causal:
        kind = "an encoder"
    raise UsageError(
        f"{folder} is not a causal language model: "
        f"its architecture is {names[0] or config.model_type} ({kind})",
        hint="give a GPT-, Llama- or similar decoder-only model",
    )


def _read_weights(folder: Path, dtype: torch.dtype) -> tuple[PreTrainedModel, dict[str, Any]]:
    import transformers
    from safetensors import SafetensorError

    try:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
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


def _refuse_differences(info: dict[str, Any], folder: Path) -> None:
    found = {
        "missing from the file": sorted(info["missing_keys"]),
        "unknown to the architecture": sorted(info["unexpected_keys"]),
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
