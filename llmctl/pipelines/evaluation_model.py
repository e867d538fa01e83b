"""What every evaluation does with its model: describe it, check its ids, fit its memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmctl import __version__, files
from llmctl.errors import DataError, UsageError
from llmctl.models.architecture import find_head, refuse_other_architectures
from llmctl.models.find import run_of
from llmctl.models.load import load_model, model_folder, read_architecture
from llmctl.objectives import OBJECTIVES
from llmctl.pipelines.evaluation_data import TokenizedText
from llmctl.pipelines.finetuned_task import finetuned_task
from llmctl.tokenization.load import Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = defaultdict(lambda: 2048, cuda=16384)
"""By device: a CPU is fastest while the batch stays in its caches, a GPU while it is full."""
LONGEST_DEFAULT_WINDOW = 2048


_TASKS = {
    "causal": "perplexity", "masked": "masked-lm", "masked-pair": "masked-lm",
    "seq2seq": "seq2seq-perplexity", "replaced": "replaced-token", "permuted": "objective",
}  # fmt: skip
"""What a model with each head is usually measured by."""


def load_to_evaluate(name: str, head: str, *, device: str, dtype: str) -> PreTrainedModel:
    """`load_model`; of a model that has another head the message says which task fits it.

    Raises: what `load_model` raises.
    """
    check_head(name, head)
    return load_model(name, head, device=device, dtype=dtype)


def check_head(name: str, head: str) -> None:
    """What can be said of a model before its weights and the text are read.

    Raises:
        UsageError: it has another head; the hint names the task that fits it.
    """
    folder = model_folder(name)
    config = read_architecture(folder)
    try:
        refuse_other_architectures(config, folder, head)
    except UsageError as error:
        raise UsageError(error.message, _other_task(name, config) or error.hint) from error


def _other_task(name: str, config: Any) -> str | None:
    task = _task_of(name, config)
    return f"--task {task}" if task else None


def usual_task(name: str) -> str:
    """The task that fits a model: the one it was finetuned for, else the perplexity of a causal
    one, and so on.

    Raises:
        InputMissing, NetworkError, SafetyError, UsageError: see `model_folder`.
    """
    finetuned = finetuned_task(model_folder(name))
    if finetuned is not None:
        return finetuned.name
    return _task_of(name, read_architecture(model_folder(name))) or _TASKS["causal"]


def _task_of(name: str, config: Any) -> str | None:
    try:
        head = find_head(config)
    except UsageError:
        return None
    run = run_of(name)
    if run is not None and (head == "seq2seq" or "prefix" in _heads_trained(run)):
        return "objective"
    return _TASKS.get(head)


def _heads_trained(run: Path) -> tuple[str, ...]:
    """The heads of the objective that the run's record names; none where it names none."""
    record = files.read_json(run / "run.json")
    recipe = record.get("recipe") if isinstance(record, dict) else None
    objective = recipe.get("objective") if isinstance(recipe, dict) else None
    name = objective.get("name") if isinstance(objective, dict) else None
    return OBJECTIVES.get(name).heads if name is not None and name in OBJECTIVES else ()


def describe_model(
    model: PreTrainedModel, name: str, folder: Path, positions: int | None
) -> dict[str, Any]:
    """A model for the report."""
    hashes = [files.sha256_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return {
        "path": name,
        "folder": str(folder),
        "architecture": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_sha256": hashes[0] if len(hashes) == 1 else files.sha256_text("".join(hashes)),
        "device": str(model.device),
        "dtype": dtype_name(model),
        "positions": positions,
    }


def dtype_name(model: PreTrainedModel) -> str:
    return str(model.dtype).removeprefix("torch.")


def describe_tokenizer(name: str, vocabulary: Vocabulary) -> dict[str, Any]:
    return {"path": name, "sha256": vocabulary.sha256, "vocabulary_size": vocabulary.size}


def signature_end(
    model: PreTrainedModel, vocabulary: Vocabulary, text: TokenizedText
) -> dict[str, object]:
    """What every signature ends with."""
    return {
        "dtype": dtype_name(model),
        "tokenizer": vocabulary.sha256[:8],
        "data": text.sha256[:8],
        "version": f"llmctl-{__version__}",
    }


def window_length(wanted: int | None, positions: int | None) -> int:
    """Tokens that a window gives to the model: as wanted, else all it can take, 2048 at most.

    Raises:
        UsageError: more than the model has positions.
    """
    if wanted is None:
        return min(positions or LONGEST_DEFAULT_WINDOW, LONGEST_DEFAULT_WINDOW)
    if positions is not None and wanted > positions:
        raise UsageError(
            f"windows of {wanted:,} tokens were asked for, but the model has {positions:,} "
            "positions",
            hint=f"--max-length {positions}",
        )
    return wanted


def check_ids(
    documents: Sequence[NDArray[np.integer]], model: PreTrainedModel, folder: Path, tokenizer: str
) -> None:
    """
    Raises:
        DataError: an id that the model has no embedding for.
    """
    rows = min(model.get_input_embeddings().weight.shape[0], model.config.vocab_size)
    highest = max(int(ids.max()) for ids in documents)
    if highest >= rows:
        raise DataError(
            f"the tokenizer {tokenizer} gives id {highest:,}, but the model {folder} knows ids "
            f"below {rows:,} only: they do not belong together",
            hint="--tokenizer FOLDER names the one that the model was trained with",
        )


@contextmanager
def memory_errors(batch_tokens: int) -> Iterator[None]:
    """
    Raises:
        UsageError: in place of torch's own error where the GPU's memory is too small.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"batches of {batch_tokens:,} tokens do not fit in the device's memory",
            hint=f"--batch-tokens {max(1, batch_tokens // 4)}, or --dtype bfloat16",
        ) from error


def say_non_finite(count: int, scored: int) -> str | None:
    """Why no verdict can be given; None where one can."""
    if count:
        return f"{count:,} tokens have no finite log-likelihood"
    return None if scored else "no token could be scored"
