"""`llmctl doctor`: is this machine sound, and does a model folder load anywhere as it does here?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmctl import console
from llmctl.errors import InputMissing
from llmctl.evaluation.reload import ReloadReport, check_reload
from llmctl.pipelines import machine
from llmctl.pipelines.machine import Finding

__all__ = ["Finding", "check_reload", "examine_machine", "findings_text", "reload_model"]


def examine_machine(folder: Path) -> list[Finding]:
    """Look at Python, packages, processor, memory, GPUs, disk and speed, in that order.

    Args:
        folder: where runs would be written.

    Raises:
        InputMissing: there is no such folder.
    """
    if not folder.is_dir():
        raise InputMissing(f"{folder} is no folder", hint="llmctl doctor env --folder .")
    return [
        *machine.look_at_python(),
        *machine.look_at_packages(),
        *machine.look_at_processor(),
        *machine.look_at_memory(),
        *machine.look_at_gpus(),
        *machine.look_at_folder(folder),
        *machine.look_at_hub(os.environ),
        *measure_speed(),
    ]


def measure_speed() -> Iterator[Finding]:
    """Measured matrix products, the machine's own limit that utilisation is held against."""
    import torch

    from llmctl.training.precision import has_bfloat16, measure_peak_flops

    devices = [torch.device("cpu")]
    devices += [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    for device in devices:
        dtypes = [torch.float32]
        if has_bfloat16(device):
            dtypes.append(torch.bfloat16)
        measured = ", ".join(
            f"{measure_peak_flops(device, dtype) / 1e12:.3g} TFLOP/s in "
            f"{str(dtype).removeprefix('torch.')}"
            for dtype in dtypes
        )
        yield machine.judge(f"matrix products on {device}", measured)


def findings_text(findings: Sequence[Finding]) -> str:
    """A line for each finding, then what to do about those that are not well."""
    rows = [[finding.verdict, finding.name, finding.found] for finding in findings]
    warnings = [finding for finding in findings if finding.verdict == "warn"]
    lines = [console.table(["", "looked at", "found"], rows), ""]
    lines += [f"warn  {finding.name}: {finding.hint}" for finding in warnings]
    lines.append(f"{len(findings) - len(warnings)} ok, {len(warnings)} to look at")
    return "\n".join(lines)


def reload_model(name: str) -> ReloadReport:
    """Load a model as llmctl does and compare with a fresh process that knows only transformers.

    Raises:
        InputMissing, NetworkError, SafetyError, SettingsMismatch, UsageError: see
            `load_model`.
    """
    from llmctl.models.adapted import base_of_folder
    from llmctl.models.architecture import find_head
    from llmctl.models.heads import HEADS
    from llmctl.models.load import find_tokenizer, load_model, model_folder, read_architecture
    from llmctl.models.members import members
    from llmctl.tokenization.load import load_tokenizer

    folder = model_folder(name)
    head = find_head(read_architecture(folder))
    model = members(load_model(folder, head, device="cpu", dtype="float32"))["model"]
    model_class, base = HEADS[head].auto_class, base_of_folder(folder)
    try:
        place = Path(find_tokenizer(folder))
    except InputMissing:
        return check_reload(folder, model=model, model_class=model_class, base=base)
    return check_reload(
        folder, model=model, tokenizer=load_tokenizer(str(place)), tokenizer_folder=place,
        model_class=model_class, base=base,
    )  # fmt: skip
