"""`llmctl recipe`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

from llmctl.pipelines.recipe import find_settings, settings_page
from llmctl.recipe.load import load_recipe

Llmctl = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_list_shows_name_command_and_title(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "list")

    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["name", "command", "what"]
    (line,) = [line for line in lines if line.startswith("gpt-tiny ")]
    assert line.split(maxsplit=2)[1:] == ["pretrain", load_recipe("gpt-tiny").title]  # type: ignore[attr-defined]
    assert "llmctl recipe show NAME" in done.err


def test_list_as_json(llmctl: Llmctl) -> None:
    rows = json.loads(llmctl("recipe", "list", "--json").out)["recipes"]

    (row,) = [row for row in rows if row["name"] == "gpt-tiny"]
    assert row["command"] == "pretrain"
    assert Path(row["path"]).is_file()


def test_show_prints_the_file(llmctl: Llmctl) -> None:
    path = Path("mine.yaml")
    path.write_text("schema: 1  # 床前\ncommand: pretrain\n", encoding="utf-8")

    assert llmctl("recipe", "show", path).out == path.read_text(encoding="utf-8")


def test_show_resolved_fills_in_every_default(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "show", "gpt-tiny", "--resolved")
    Path("resolved.yaml").write_text(done.out, encoding="utf-8")

    assert "weight_decay: 0.1\n" in done.out
    assert "bundled:" in done.out
    assert load_recipe("resolved.yaml") == load_recipe("gpt-tiny")


def test_copy_makes_a_file_that_is_never_replaced(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "copy", "gpt-tiny")
    Path("gpt-tiny.yaml").write_text("mine", encoding="utf-8")
    again = llmctl("recipe", "copy", "gpt-tiny")

    assert (done.code, done.out) == (0, "gpt-tiny.yaml\n")
    assert "llmctl recipe check gpt-tiny.yaml" in done.err
    assert again.code == 2
    assert again.err == (
        "error: gpt-tiny.yaml exists already; nothing was copied\n"
        "hint: choose another name: llmctl recipe copy gpt-tiny gpt-tiny-2.yaml\n"
    )
    assert Path("gpt-tiny.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("destination", "written"),
    [("mine.yaml", "mine.yaml"), ("new/mine", "new/mine.yaml"), (".", "gpt-tiny.yaml")],
)
def test_copy_takes_a_file_or_a_folder(llmctl: Llmctl, destination: str, written: str) -> None:
    assert llmctl("recipe", "copy", "gpt-tiny", destination).code == 0
    assert load_recipe(written) == load_recipe("gpt-tiny")


def test_check_says_ok(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "check", "gpt-tiny", "budget.tokens=1e6", "data.train=my book.txt")

    assert (done.code, done.out) == (0, "gpt-tiny: ok (pretrain)\n")


def test_check_names_every_problem(llmctl: Llmctl) -> None:
    Path("mine.yaml").write_text(
        "schema: 1\ncommand: pretrain\nmodel: {preset: gpt2-tiny}\ndata: {train: a.txt}\n"
        "budget: {steps: 3}\noptimizer:\n  learning_rte: 1e-3\n",
        encoding="utf-8",
    )

    done = llmctl("recipe", "check", "mine.yaml", "seed=x")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: mine.yaml has 2 problems\n"
        "  optimizer.learning_rte  no such setting; did you mean 'learning_rate'?  (mine.yaml:7)\n"
        "  seed                    expected whole number from 0; found the text 'x'  "
        "(command line)\n"
        "hint: `llmctl recipe settings pretrain` lists every setting with its meaning\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["check", "gpt-tinny"], 66, "did you mean 'gpt-tiny'?"),
        (["check", "gpt-tiny", "data.train=bundled:mobydick"], 66, "no bundled data is called"),
        (["show", "nothing.yaml"], 66, "nothing.yaml does not exist"),
        (["copy", "nothing.yaml"], 66, "nothing.yaml does not exist"),
        (["settings", "pretrian"], 2, "did you mean 'pretrain'?"),
        (["schema", "pretrian"], 2, "choose one of pretrain"),
        (["check", "."], 2, "is a folder"),
    ],
)
def test_mistakes_have_their_exit_codes(
    llmctl: Llmctl, words: list[str], code: int, said: str
) -> None:
    done = llmctl("recipe", *words)

    assert done.code == code
    assert done.out == ""
    assert said in done.err


def test_settings_are_a_line_each_when_piped(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "settings", "pretrain")

    lines = done.out.splitlines()
    assert lines[0].split() == ["setting", "type", "default", "only", "for", "meaning"]
    (beta,) = [line for line in lines if line.startswith("compute.max_gradient_norm ")]
    assert "number above 0, or null" in beta
    assert "Gradients are scaled down to this norm" in beta


def test_settings_are_found_by_a_word_in_any_case(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "settings", "pretrain", "--filter", "WARMUP_steps")
    none = llmctl("recipe", "settings", "--filter", "zzzz")

    assert [line.split()[0] for line in done.out.splitlines()[2:]] == ["schedule.warmup_steps"]
    assert (none.code, none.out, none.err) == (0, "", "no setting mentions 'zzzz'\n")


def test_settings_as_json(llmctl: Llmctl) -> None:
    found = json.loads(llmctl("recipe", "settings", "pretrain", "--json").out)

    settings = {row["path"]: row for row in found["pretrain"]}
    assert settings["data.mixture.sources"]["required"] is True
    assert settings["data.train"]["required"] is False  # a mixture can stand in its place
    assert settings["optimizer.nesterov"] == {
        "path": "optimizer.nesterov", "type": "true or false", "default": False,
        "required": False, "description": "Look ahead along the momentum", "only_for": ["sgd"],
    }  # fmt: skip


def test_settings_fit_a_terminal() -> None:
    page = settings_page(find_settings("pretrain", ""), width=60)

    assert max(map(len, page.splitlines())) <= 60
    assert (
        "optimizer.nesterov  (true or false; default false; only for\n"
        "    sgd)\n"
        "    Look ahead along the momentum\n"
    ) in page


def test_schema_is_json(llmctl: Llmctl) -> None:
    schema = json.loads(llmctl("recipe", "schema", "pretrain").out)

    assert schema["$defs"]["PretrainRecipe"]["required"][:2] == ["schema", "command"]


@pytest.mark.parametrize("word", ["list", "show", "copy", "check", "settings", "schema"])
def test_help_ends_with_an_example(llmctl: Llmctl, word: str) -> None:
    last_paragraph = llmctl("recipe", word, "--help").out.rstrip().rpartition("\n\n")[2]

    assert last_paragraph.strip().startswith("Example")
    assert f"llmctl recipe {word}" in " ".join(last_paragraph.split())


def test_the_help_of_schema_tells_how_to_point_an_editor_at_it(llmctl: Llmctl) -> None:
    done = llmctl("recipe", "schema", "-h")

    assert "# yaml-language-server: $schema=llmctl.schema.json" in done.out


def test_no_recipe_command_loads_torch() -> None:
    script = (
        "import sys\nfrom llmctl.cli.main import run\n"
        "for words in (['settings'], ['schema'], ['list'], ['check', 'gpt-tiny']):\n"
        "    assert run(['recipe', *words]) == 0, words\n"
        "heavy = {'torch', 'transformers', 'datasets', 'tokenizers', 'pyarrow'}\n"
        "sys.exit(str(sorted(heavy & sys.modules.keys())) if heavy & sys.modules.keys() else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
