"""Is a saved folder sound? Load it in a fresh process with transformers alone and compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Inputs = dict[str, NDArray[np.int64]]
Logits = dict[str, NDArray[np.float32]]

_TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "  two  blanks\n\tand 1,234.5 € – naïve café",
    "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。",
    "ご注文は🐇ですか？ مرحبا",
]
_ROWS, _LENGTH = 2, 16
_LOGITS = "logits.npz"
_TOLERANCE = {"float32": 1e-5, "float16": 2e-2, "bfloat16": 5e-2}
"""Largest difference allowed, as a share of the largest logit: rounding of the model's own type."""
_OTHER_DEVICE_TOLERANCE = 2e-3
"""At least this where the logits compared with were computed on a GPU (TF32, other sum orders)."""
_NOT_INHERITED = (
    "ACCELERATE_", "FSDP_", "TORCHELASTIC_", "MASTER_", "RANK", "LOCAL_RANK", "WORLD_SIZE",
    "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_",
)  # fmt: skip

_OUTPUTS = (
    "logits", "prediction_logits", "seq_relationship_logits", "sop_logits", "start_logits",
    "end_logits",
)  # fmt: skip
"""What models give that can be compared, by transformers' names."""

_FRESH_PROCESS = """
import json, sys
import numpy, torch, transformers
asked = json.load(open(sys.argv[1], encoding="utf-8"))
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(asked["threads"])
if asked["register"]:
    import llmctl.models
    llmctl.models.register()
config = transformers.AutoConfig.from_pretrained(
    asked["folder"], trust_remote_code=False, local_files_only=True)
model, info = getattr(transformers, asked["model_class"]).from_pretrained(
    asked["base"] or asked["folder"], config=config, dtype=torch.float32, use_safetensors=True,
    trust_remote_code=False, local_files_only=True, output_loading_info=True)
if asked["base"]:  # what is missing there, such as a head, is in the adapter
    import peft
    model, info = peft.PeftModel.from_pretrained(model, asked["folder"]), {}
model.eval()
with torch.inference_mode():
    output = model(**{name: torch.tensor(ids) for name, ids in asked["inputs"].items()})
numpy.savez(asked["logits"], **{
    name: output[name].float().numpy() for name in asked["outputs"] if name in output})
texts = None
if asked["tokenizer"] is not None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        asked["tokenizer"], trust_remote_code=False, local_files_only=True)
    texts = [tokenizer(text)["input_ids"] for text in asked["texts"]]
json.dump({
    "texts": texts,
    "missing": sorted(info.get("missing_keys", [])),
    "unexpected": sorted(info.get("unexpected_keys", [])),
    "foreign": "llmctl" in sys.modules and not asked["register"],
    "transformers": transformers.__version__,
}, open(asked["answer"], "w", encoding="utf-8"))
"""


@dataclass(frozen=True)
class ReloadReport:
    """What a fresh process made of a folder.

    Attributes:
        ok: logits and token ids agree, and no weight was missing or left over.
        message: what was compared and how it came out, one sentence.
        max_difference: largest difference of a logit, as a share of the largest; None if the
            fresh process gave none.
        tolerance: the share that is allowed.
        tokenizer_ok: None when there was no tokenizer to compare.
    """

    folder: Path
    ok: bool
    message: str
    max_difference: float | None = None
    tolerance: float | None = None
    tokenizer_ok: bool | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "ok": self.ok,
            "message": self.message,
            "max_difference": self.max_difference,
            "tolerance": self.tolerance,
            "tokenizer_ok": self.tokenizer_ok,
            "seconds": round(self.seconds, 2),
        }


def check_reload(
    folder: Path,
    *,
    model: PreTrainedModel | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    tokenizer_folder: Path | None = None,
    model_class: str = "AutoModelForCausalLM",
    base: Path | None = None,
) -> ReloadReport:
    """Load a folder in a fresh process that knows only transformers, and compare with this process.
    An adapter folder is loaded by peft, onto its base.

    Logits of a fixed batch of ids (of an encoder-decoder: the same ids on both sides) and the ids
    of fixed texts (English, Chinese, blanks, emoji) are compared. The fresh process computes on the
    CPU in float32. For a class of our own (an LSTM) it calls `llmctl.models.register()` first.

    Args:
        model: the model that was saved, as it is in memory; None: the folder, loaded here.
        tokenizer: the tokenizer that was saved; None: the folder's, loaded here.
        tokenizer_folder: where the tokenizer is, if not in `folder`.
        model_class: the transformers class that is asked to load it.
        base: of an adapter folder, the folder of the model that it belongs to.
    """
    start = time.monotonic()
    place = tokenizer_folder or (folder if (folder / "tokenizer_config.json").exists() else None)
    here = model if model is not None else _load_here(folder, model_class)
    inputs = _fixed_inputs(here)
    logits, dtype, device = _logits(here, inputs)
    with tempfile.TemporaryDirectory(prefix="llmctl-reload-") as temporary:
        answer, problem = _ask_fresh_process(
            Path(temporary), folder, place, inputs, model_class, base,
            register=here.__module__.startswith("llmctl."),
        )  # fmt: skip
        fresh = {} if problem else dict(np.load(Path(temporary) / _LOGITS, allow_pickle=False))
    seconds = time.monotonic() - start
    if problem:
        return ReloadReport(folder, False, f"a fresh process cannot load it: {problem}")
    expected_texts = _texts_here(tokenizer, place)
    tolerance = max(_TOLERANCE[dtype], _OTHER_DEVICE_TOLERANCE if device != "cpu" else 0.0)
    difference = max(
        _difference(logits[name], fresh.get(name, np.empty(0, np.float32))) for name in logits
    )
    tokenizer_ok = None if expected_texts is None else answer["texts"] == expected_texts
    problems = _problems(answer, difference, tolerance, tokenizer_ok)
    message = "; ".join(problems) or (
        f"a fresh process computes the same logits (largest difference {difference:.1e} of the "
        f"largest logit, {tolerance:.0e} allowed)"
        + (" and the same token ids" if tokenizer_ok else "; it has no tokenizer to compare")
    )
    return ReloadReport(
        folder, not problems, message, difference, tolerance, tokenizer_ok, seconds
    )  # fmt: skip


def _problems(
    answer: dict[str, Any], difference: float, tolerance: float, tokenizer_ok: bool | None
) -> list[str]:
    problems = []
    if not difference <= tolerance:
        problems.append(
            f"logits differ by {difference:.1e} of the largest one, {tolerance:.0e} is allowed"
        )
    for what in ("missing", "unexpected"):
        if answer[what]:
            problems.append(f"{len(answer[what])} weights are {what}: {answer[what][:5]}")
    if tokenizer_ok is False:
        problems.append("the tokenizer gives other ids")
    if answer["foreign"]:
        problems.append("loading it imported llmctl")
    return problems


def _ask_fresh_process(
    temporary: Path,
    folder: Path,
    tokenizer: Path | None,
    inputs: Inputs,
    model_class: str,
    base: Path | None,
    register: bool,
) -> tuple[dict[str, Any], str | None]:
    import torch

    question, answer = temporary / "asked.json", temporary / "answer.json"
    asked = {
        "folder": str(folder.resolve()), "base": str(base.resolve()) if base else None,
        "tokenizer": str(tokenizer.resolve()) if tokenizer else None,
        "inputs": {name: ids.tolist() for name, ids in inputs.items()}, "outputs": _OUTPUTS,
        "texts": _TEXTS, "threads": torch.get_num_threads(), "logits": str(temporary / _LOGITS),
        "answer": str(answer), "model_class": model_class, "register": register,
    }  # fmt: skip
    question.write_text(json.dumps(asked), encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    environment |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _FRESH_PROCESS, str(question)],
        capture_output=True, text=True, check=False, env=environment, cwd=temporary,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return {}, lines[-1] if lines else f"it ended with code {done.returncode}"
    return json.loads(answer.read_text(encoding="utf-8")), None


def _load_here(folder: Path, model_class: str) -> PreTrainedModel:
    import torch
    import transformers

    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    model: PreTrainedModel = getattr(transformers, model_class).from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
        local_files_only=True,
    )  # fmt: skip
    if bars:
        transformers.utils.logging.enable_progress_bar()
    return model


def _fixed_inputs(model: PreTrainedModel) -> Inputs:
    """Rows of ids that are no padding: some classes count their positions by it."""
    positions = getattr(model.config, "max_position_embeddings", None) or _LENGTH
    length = min(_LENGTH, positions) if positions > 0 else _LENGTH  # XLNet says -1: no limit
    size = model.get_input_embeddings().weight.shape[0]
    ids = np.random.default_rng(0).integers(0, size, (_ROWS, length))
    ids[ids == model.config.pad_token_id] = size - 1
    if model.config.is_encoder_decoder:
        return {"input_ids": ids, "decoder_input_ids": ids}
    if type(model).__name__.endswith("ForMultipleChoice"):
        return {"input_ids": ids[None]}  # one row of two choices
    return {"input_ids": ids}


def _logits(model: PreTrainedModel, inputs: Inputs) -> tuple[Logits, str, str]:
    """By name, the logits of the model as it is, with the names of its type and device."""
    import torch

    was_training = model.training
    model.eval()
    tensors = {name: torch.from_numpy(ids).to(model.device) for name, ids in inputs.items()}
    with torch.inference_mode():
        output = model(**tensors)
    model.train(was_training)
    logits = {name: output[name].float().cpu().numpy() for name in _OUTPUTS if name in output}
    dtype = str(model.dtype).removeprefix("torch.")
    return logits, dtype, model.device.type


def _texts_here(
    tokenizer: PreTrainedTokenizerBase | None, folder: Path | None
) -> list[list[int]] | None:
    if folder is None:
        return None
    if tokenizer is None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    return [tokenizer(text)["input_ids"] for text in _TEXTS]


def _difference(here: NDArray[np.float32], fresh: NDArray[np.float32]) -> float:
    """The largest difference as a share of the largest logit; infinite for NaN or other shapes."""
    if here.shape != fresh.shape or not (np.isfinite(here).all() and np.isfinite(fresh).all()):
        return float("inf")
    return float(np.abs(here - fresh).max() / max(np.abs(here).max(), 1e-30))
