"""`llmctl export`: a model, with its adapter merged, as one plain folder that any program loads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmctl import console, files
from llmctl.errors import InputMissing, SettingsMismatch, UsageError
from llmctl.evaluation.reload import ReloadReport, check_reload
from llmctl.models.adapted import base_of_folder
from llmctl.models.adapter_files import is_adapter
from llmctl.models.architecture import find_head
from llmctl.models.families import maximum_row
from llmctl.models.finetuned import head_for
from llmctl.models.heads import HEADS
from llmctl.models.load import (
    DTYPES,
    find_tokenizer,
    load_model,
    model_folder,
    quiet_transformers,
    read_architecture,
)
from llmctl.models.members import members
from llmctl.models.save import save_model
from llmctl.pipelines.finetuned_task import TASK_FILE, finetuned_task
from llmctl.tokenization.load import load_tokenizer
from llmctl.tokenization.save import save_tokenizer
from llmctl.training.tensors import safetensors_errors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CARD = "README.md"
_OVERFLOWS = ("t5", "mt5")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        dtype: of its weights.
        merged: an adapter was merged into its base.
    """

    folder: Path
    architecture: str
    parameters: int
    dtype: str
    merged: bool
    bytes: int
    report: ReloadReport

    def as_json(self) -> dict[str, Any]:
        names = ("architecture", "parameters", "dtype", "merged", "bytes")
        values = {name: getattr(self, name) for name in names}
        return {"folder": str(self.folder), **values, "reload": self.report.as_json()}

    def summary(self) -> str:
        rows: list[list[object]] = [
            ["model", self.architecture + (", adapter merged" if self.merged else "")],
            ["parameters", console.number(self.parameters)],
            ["weights", f"{self.dtype}, {self.bytes / 1e6:,.1f} MB"],
            ["reloaded", self.report.message],
            ["folder", self.folder],
        ]
        return console.table(["export", ""], rows)


def export(name: str, target: Path, *, merge: bool = False, dtype: str | None = None) -> Exported:
    """Write a model, its tokenizer, its task and a model card into a new folder, and load that in a
    fresh process.

    Args:
        name: what `find_model` takes.
        merge: the model is an adapter, which is merged into its base.
        dtype: float32, bfloat16 or float16; None: as the weights are stored.

    Raises:
        UsageError: the folder is not empty; there is no adapter to merge, or there is one; a type
            that the model cannot have.
        SettingsMismatch: a fresh process that loads the folder computes other logits; it is removed
            again. And an adapter whose base has changed.
        InputMissing, NetworkError, SafetyError, DataError, StorageError: see `load_model`.
    """
    files.check_output_folder(target)
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(f"-o {target} is not empty; a new folder was expected")
    folder = model_folder(name)
    _check_merge(name, folder, merge)
    config = read_architecture(folder)
    chosen = _choose_dtype(config, dtype)
    task = finetuned_task(folder)
    head = head_for(task.heads, config.model_type, str(folder)) if task else find_head(config)
    model = members(load_model(folder, head, device="cpu", dtype=chosen))["model"]
    temporary = target.with_name(f"{files.TEMPORARY_PREFIX}{target.name}")
    with files.storage_errors(target), safetensors_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        files.remove_folder(temporary)
        _write(temporary, folder, model, merged=merge, dtype=chosen)
    report = _reload(temporary, model, HEADS[head].auto_class)
    files.remove_folder(target)
    files.commit_folder(temporary, target)
    return Exported(
        folder=target,
        architecture=type(model).__name__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        dtype=chosen,
        merged=merge,
        bytes=sum(path.stat().st_size for path in target.glob("*.safetensors")),
        report=report,
    )


def _check_merge(name: str, folder: Path, merge: bool) -> None:
    if merge and not is_adapter(folder):
        raise UsageError(
            f"{folder} holds no adapter to merge: it is a whole model", hint="leave --merge out"
        )
    if is_adapter(folder) and not merge:
        raise UsageError(
            f"{folder} is an adapter of {base_of_folder(folder)}, and a plain model is asked for",
            hint=f"llmctl export {name} --merge; to keep the adapter by itself, copy its folder",
        )


def _choose_dtype(config: Any, asked: str | None) -> str:
    chosen = asked or str(config.dtype or "float32").removeprefix("torch.")
    if chosen not in DTYPES:
        raise UsageError(f"--dtype {chosen}: one of {', '.join(DTYPES)} was expected")
    if chosen == "float16" and config.model_type in _OVERFLOWS:
        raise UsageError(
            f"a {config.model_type} overflows in float16", hint="--dtype bfloat16, of the same size"
        )
    return chosen


def _write(folder: Path, source: Path, model: PreTrainedModel, *, merged: bool, dtype: str) -> None:
    save_model(model, folder)
    if (source / TASK_FILE).is_file():
        shutil.copyfile(source / TASK_FILE, folder / TASK_FILE)
    try:
        tokenizer = load_tokenizer(str(find_tokenizer(source)))
    except InputMissing as missing:
        console.warn(f"exported without a tokenizer: {missing.message}")
    else:
        with quiet_transformers():
            positions = maximum_row(model.config.to_dict())
            save_tokenizer(tokenizer, folder, max_length=positions)
    files.write_text(folder / _CARD, _card(source, model, merged=merged, dtype=dtype))


def _card(source: Path, model: PreTrainedModel, *, merged: bool, dtype: str) -> str:
    """The card of the model as it was, with what has been done to it."""
    how = "merged with the adapter that was trained beside them, and " if merged else ""
    line = f"\nThe weights were {how}written as {dtype} by `llmctl export`.\n"
    if not (source / _CARD).is_file():
        head = "---\nlibrary_name: transformers\ntags: [llmctl]\n---\n"
        return f"{head}# {type(model).__name__}\n{line}"
    card = (source / _CARD).read_text(encoding="utf-8")
    return (
        card.replace("library_name: peft", "library_name: transformers", 1).rstrip() + f"\n{line}"
    )


def _reload(folder: Path, model: PreTrainedModel, auto_class: str) -> ReloadReport:
    console.note("loading it in a fresh process")
    report = check_reload(folder, model=model.eval(), model_class=auto_class)
    if not report.ok:
        files.remove_folder(folder)
        raise SettingsMismatch(f"a fresh process computes other logits: {report.message}")
    return report
