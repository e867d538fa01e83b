"""`llmctl doctor env` and `llmctl doctor reload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmctl.cli.options import Json

app = typer.Typer(
    help="Is this machine, and is this model, sound?",
    epilog="Example: llmctl doctor env; llmctl doctor reload runs/a",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("env", epilog="Example: llmctl doctor env --folder runs")
def examine(
    folder: Annotated[Path, typer.Option(help="Where runs would be written.")] = Path(),
    json: Json = False,
) -> None:
    """Look at versions, processors, memory, GPUs, disk and speed, with advice where it helps."""
    from llmctl import console
    from llmctl.pipelines.doctor import examine_machine, findings_text

    findings = examine_machine(folder)
    if json:
        warnings = sum(finding.verdict == "warn" for finding in findings)
        rows = [finding.as_json() for finding in findings]
        console.result_json({"warnings": warnings, "findings": rows})
    else:
        console.result(findings_text(findings))


@app.command("reload", epilog="Example: llmctl doctor reload runs/a")
def reload(
    model: Annotated[str, typer.Argument(help="Run folder, Hugging Face folder or Hub name.")],
    json: Json = False,
) -> None:
    """Load a model in a fresh process with transformers alone and compare logits and token ids.

    Exit code 78: they differ, or the fresh process cannot load it.
    """
    from llmctl import console
    from llmctl.errors import SettingsMismatch
    from llmctl.pipelines.doctor import reload_model

    report = reload_model(model)
    if json:
        console.result_json(report.as_json())
    if not report.ok:
        raise SettingsMismatch(f"{report.folder}: {report.message}")
    if not json:
        console.result(f"ok  {report.folder}: {report.message}")
