"""The house rules that a machine can hold: import directions, a light start, file sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import llmctl

ROOT = Path(llmctl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

DOMAIN = {
    "data", "tokenization", "models", "objectives", "tasks", "metrics", "training", "evaluation"
}  # fmt: skip
BASE = {
    "errors", "registry", "console", "files", "randomness", "section", "bundled", "marks",
    "best_fit",
}  # fmt: skip
MAY_IMPORT = {
    "cli": BASE | {"cli"},
    "pipelines": BASE | DOMAIN | {"pipelines", "recipe"},
    "recipe": BASE | DOMAIN | {"recipe"},
    "tasks": BASE | {"tasks", "metrics"},
    **{folder: BASE | {folder} for folder in DOMAIN - {"tasks"}},
    **dict.fromkeys(BASE, BASE),
}
"""What each folder, or top-level module, may import when it is itself imported."""

HEAVY = {"torch", "transformers", "datasets", "accelerate", "evaluate", "tokenizers"}


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(path: Path, *, whole_file: bool) -> Iterator[tuple[int, str]]:
    """Line and module of every import; at module level only unless the whole file is asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if whole_file else tree.body:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part in {"__init__", "__main__", "shipped"}:
        return
    allowed = MAY_IMPORT[part]
    # A command body may reach into pipelines and recipe; that is how the start stays light.
    whole_file = part != "cli"

    wrong = [
        f"line {line}: {module}"
        for line, module in imports_of(path, whole_file=whole_file)
        if module.startswith("llmctl.") and module.split(".")[1] not in allowed
    ]

    assert wrong == []


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("*.py")), ids=lambda path: path.name)
def test_the_command_line_imports_only_typer_and_the_standard_library(path: Path) -> None:
    wrong = [
        module
        for _, module in imports_of(path, whole_file=False)
        if module.split(".")[0] not in sys.stdlib_module_names | {"typer", "llmctl", "__future__"}
    ]

    assert wrong == []


@pytest.mark.parametrize(
    "script",
    [
        "from llmctl.cli.main import run; assert run(['--help']) == 0",
        "from llmctl.cli.main import run; assert run(['--version']) == 0",
        "import llmctl.recipe.schema",
    ],
    ids=["help", "version", "schema"],
)
def test_start_is_light(script: str) -> None:
    check = f"{script}\nimport sys\nheavy = {HEAVY!r} & sys.modules.keys()\nassert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_training_core_needs_neither_datasets_nor_evaluate() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {module}"
        for folder in ("training", "objectives", "models")
        for path in (ROOT / folder).glob("*.py")
        for _, module in imports_of(path, whole_file=True)
        if module.split(".")[0] in {"datasets", "evaluate"}
    ]

    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > 60
    ]

    assert long == []
    assert text.count("\n") <= 300
    assert path.stem not in {"utils", "helpers", "common", "misc", "manager"}
