"""Loading: what is accepted, and how every kind of mistake is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_recipe import Adam, ByLength, ByWord, Lora, Sgd, ToyRecipe

from llmctl.errors import RecipeError
from llmctl.recipe.load import load_recipe
from llmctl.recipe.schema import PretrainRecipe

HEAD = "schema: 1\ncommand: toy\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> str:
    Path("mine.yaml").write_text(text, encoding="utf-8")
    return "mine.yaml"


def load(body: str, *overrides: str) -> ToyRecipe:
    """A toy recipe; `data.train` is there unless the body has its own."""
    data = "" if "data:" in body else "data: {train: a.txt}\n"
    return load_recipe(write(HEAD + data + body), overrides, ToyRecipe)


def problems(body: str, *overrides: str) -> list[tuple[str, str, str]]:
    with pytest.raises(RecipeError) as caught:
        load(body, *overrides)
    return [(p.path, p.text, p.source.removeprefix("mine.yaml")) for p in caught.value.problems]


# --- what is accepted ---


def test_a_recipe_states_only_what_differs() -> None:
    recipe = load("")

    assert recipe == ToyRecipe(data={"train": ["a.txt"]})
    assert recipe.optimizer == Adam(learning_rate=6e-4)


def test_command_and_class_agree_through_the_table() -> None:
    body = "schema: 1\ncommand: pretrain\nmodel: {preset: gpt2-tiny}\nbudget: {steps: 3}\n"

    recipe = load_recipe(write(body), ["data.train=a.txt"])

    assert isinstance(recipe, PretrainRecipe)


def test_overrides_replace_and_the_last_one_counts() -> None:
    recipe = load("steps: 5\ntitle: old\n", "steps=6", "steps=7", "title=", "title=my title")

    assert (recipe.steps, recipe.title) == (7, "my title")


def test_overrides_make_sections() -> None:
    assert load("", "lora.rank=4").lora == Lora(rank=4)


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("steps=1e6", "steps", 1_000_000),
        ("steps=1e3", "steps", 1000),
        ("steps=", "steps", None),
        ("batch=auto", "batch", "auto"),
        ("batch=8", "batch", 8),
        ("ratio=1", "ratio", 1.0),
        ("compile=true", "compile", True),
        ("compile=no", "compile", False),
        ("title=2024", "title", "2024"),
        ("title=1e3", "title", "1e3"),
        ("title=0x1f", "title", "0x1f"),
        ("title=no", "title", "no"),
        ("title=true story", "title", "true story"),
        ("sizes={a: 1, b: 2e3}", "sizes", {"a": 1, "b": 2000}),
        ("config={a: true, b: [1, {c: x}]}", "config", {"a": True, "b": [1, {"c": "x"}]}),
        ("folder=2024", "folder", Path("2024")),
    ],
)
def test_values_are_taken_as_they_are_meant(override: str, field: str, value: object) -> None:
    found = getattr(load("", override), field)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("override", "train"),
    [
        ("data.train=mybook.txt", ["mybook.txt"]),
        ("data.train=my book.txt", ["my book.txt"]),
        ("data.train=[a.txt,b.txt]", ["a.txt", "b.txt"]),
        ("data.train=[a.txt, 2024]", ["a.txt", "2024"]),
        ("data.train=2024", ["2024"]),
        ("data.train=-", ["-"]),
        ("data.train=bundled:moby-dick", ["bundled:moby-dick"]),
    ],
)
def test_sources_are_texts(override: str, train: list[str]) -> None:
    assert load("", override).data.train == train


def test_numbers_in_a_file_keep_their_letters_as_text() -> None:
    recipe = load("data:\n  train: [1.50, 7]\n  text_column: 1e3\n")

    assert recipe.data.train == ["1.50", "7"]
    assert recipe.data.text_column == "1e3"


def test_choices_by_name() -> None:
    recipe = load("optimizer: {name: sgd, momentum: 0.5}\n")

    assert recipe.optimizer == Sgd(name="sgd", momentum=0.5)


def test_without_a_name_the_default_choice_and_its_values_stay() -> None:
    assert load("optimizer: {betas: [0.8, 0.9]}\n").optimizer == Adam(
        learning_rate=6e-4, betas=(0.8, 0.9)
    )
    assert load("", "optimizer.learning_rate=1e-2").optimizer == Adam(learning_rate=1e-2)


def test_another_choice_begins_from_its_own_defaults() -> None:
    assert load("", "optimizer.name=sgd").optimizer == Sgd(name="sgd", learning_rate=0.1)


def test_an_emptied_section_is_an_empty_one() -> None:
    assert load("optimizer:\n  # betas: [0.8, 0.9]\n").optimizer == Adam(learning_rate=6e-4)
    assert load("lora:\n").lora is None


def test_lists_of_sections() -> None:
    body = "data:\n  train: x\n  filters:\n  - name: length\n  - {name: word, words: 7}\n"

    assert load(body).data.filters == [
        ByLength(name="length"),
        ByWord(name="word", words=["7"]),
    ]


# --- what is wrong ---


def test_all_problems_come_at_once_in_the_order_of_lines() -> None:
    body = "titel: x\nsteps: 0\nsteps: 5\nratio: high\n"

    assert problems(body, "lora.rnk=3", "oops", "data.train.x=1") == [
        ("titel", "no such setting; did you mean 'title'?", ":4"),
        ("steps", "given twice; the first is in line 5", ":6"),
        ("ratio", "expected number from 0 to 1; found the text 'high'", ":7"),
        ("oops", "write it as oops=value", "command line"),
        (
            "data.train.x",
            "data.train is the text 'a.txt', which has no settings below it",
            "command line",
        ),
        ("lora.rnk", "no such setting; did you mean 'rank'?", "command line"),
    ]


@pytest.mark.parametrize(
    ("body", "path", "text", "where"),
    [
        # unknown keys
        ("learning_rate: 1\n", "learning_rate",
         "no such setting here; did you mean 'optimizer.learning_rate'?", ":4"),
        ("lora: {zzz: 1}\n", "lora.zzz", "no such setting; lora has rank, targets", ":4"),
        ("optimizer: {momentum: 1}\n", "optimizer.momentum",
         "adam has no such setting (sgd: yes); it has name, learning_rate, betas", ":4"),
        ("optimizer: {name: sgd, learning_rat: 1}\n", "optimizer.learning_rat",
         "no such setting; did you mean 'learning_rate'?", ":4"),
        ("lora.rank: 3\n", "lora.rank",
         "dotted paths belong on the command line; here, write 'rank' below 'lora:'", ":4"),
        ("data: {train: x, filters: [{name: length, wrds: 1, words: [a]}]}\n",
         "data.filters[0].wrds", "no such setting; length has name, min_letters", ":3"),
        # types
        ("steps: many\n", "steps",
         "expected whole number above 0, or null; found the text 'many'", ":4"),
        ("steps: 1.5\n", "steps",
         "expected whole number above 0, or null; found the number 1.5", ":4"),
        ("steps: 1e30\n", "steps",
         "expected whole number above 0, or null; found the number 1e+30", ":4"),
        ("steps: 012x\n", "steps",
         "expected whole number above 0, or null; found the text '012x'", ":4"),
        ("steps: true\n", "steps", "expected whole number above 0, or null; found true", ":4"),
        ("ratio: false\n", "ratio", "expected number from 0 to 1; found false", ":4"),
        ("ratio:\n", "ratio", "expected number from 0 to 1; found nothing", ":4"),
        ("compile: 3\n", "compile", "expected true or false; found the number 3", ":4"),
        ("compile: maybe\n", "compile", "expected true or false; found the text 'maybe'", ":4"),
        ("title: [a]\n", "title", "expected text; found a list", ":4"),
        ("title: true\n", "title", "expected text; found true", ":4"),
        ("title:\n", "title", "expected text; found nothing", ":4"),
        ("sizes: 3\n", "sizes", "expected mapping; found the number 3", ":4"),
        ("sizes: {a: 1, b: x}\n", "sizes.b", "expected whole number; found the text 'x'", ":4"),
        ("lora: 8\n", "lora",
         "expected section with rank, targets, or null; found the number 8", ":4"),
        ("optimizer: adam\n", "optimizer", "expected section; write {name: adam}", ":4"),
        ("optimizer: fast\n", "optimizer",
         "expected section, by name: adam, sgd; found the text 'fast'", ":4"),
        ("optimizer: {betas: [0.9]}\n", "optimizer.betas[1]", "required: number from 0 to 1", ":4"),
        ("optimizer:\n  betas: [0.9, 0.9, 0.9]\n", "optimizer.betas",
         "must have at most 2 items", ":5"),
        ("optimizer:\n  betas:\n  - 0.9\n  - x\n", "optimizer.betas[1]",
         "expected number from 0 to 1; found the text 'x'", ":7"),
        # unions of plain types
        ("batch: 1.5\n", "batch",
         "expected whole number or auto; found the number 1.5", ":4"),
        ("batch: atuo\n", "batch",
         "expected whole number or auto; found the text 'atuo'; did you mean 'auto'?", ":4"),
        ("lora: {targets: 3}\n", "lora.targets",
         "expected list of text or all; found the number 3", ":4"),
        ("lora: {targets: [q, [k]]}\n", "lora.targets[1]", "expected text; found a list", ":4"),
        # choices
        ("data: {train: x, unit: fil}\n", "data.unit",
         "choose one of auto, file, line, not 'fil'; did you mean 'file'?", ":3"),
        ("data: {train: x, unit: 3}\n", "data.unit",
         "expected one of auto, file, line; found the number 3", ":3"),
        ("optimizer: {name: sdg}\n", "optimizer.name",
         "choose one of adam, sgd, not 'sdg'; did you mean 'sgd'?", ":4"),
        ("optimizer:\n  name:\n", "optimizer.name", "choose one of adam, sgd; found nothing", ":5"),
        ("data: {train: x, filters: [{words: a}]}\n", "data.filters[0].name",
         "required: choose one of length, word", ":3"),
        # bounds
        ("steps: 0\n", "steps", "must be above 0; found 0", ":4"),
        ("ratio: 1.5\n", "ratio", "must be at most 1; found 1.5", ":4"),
        ("ratio: -0.5\n", "ratio", "must be at least 0; found -0.5", ":4"),
        ("ratio: .inf\n", "ratio", "must be a finite number", ":4"),
        ("ratio: .nan\n", "ratio", "must be a finite number", ":4"),
        ("data: {train: []}\n", "data.train", "must not be empty", ":3"),
        ("data: {train: x, text_column: ''}\n", "data.text_column", "must not be empty", ":3"),
        # missing
        ("data: {unit: file}\n", "data.train", "required: text or list of text", ":3"),
        ("data:\n", "data.train", "required: text or list of text", ":3"),
        ("data:\n  train: x\n  filters:\n  - name: word\n", "data.filters[0].words",
         "required: text or list of text", ":6"),
        # rules that join settings
        ("compile: true\nsteps: 5\n", "recipe", "compile needs at least 10 steps", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_path_and_line(body: str, path: str, text: str, where: str) -> None:
    assert (path, text, where) in problems(body)


def test_a_missing_section_says_what_it_needs() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(HEAD), [], ToyRecipe)

    (problem,) = caught.value.problems
    assert (problem.path, problem.text) == ("data", "required: section with train")
    assert problem.source == "mine.yaml"


def test_problems_of_overrides_say_so() -> None:
    found = problems("steps: 5\n", "steps=x", "data.unit=fil", "lora.rank=0", "lora.zzz=1")

    assert {where for _, _, where in found} == {"command line"}
    assert [path for path, _, _ in found] == ["data.unit", "lora.rank", "lora.zzz", "steps"]


def test_a_clash_of_old_and_new_settings_says_how_to_replace_the_section() -> None:
    with pytest.raises(RecipeError) as caught:
        load("optimizer: {name: adam, betas: [0.9, 0.9]}\n", "optimizer.name=sgd")

    assert caught.value.hint == "to replace the whole section: 'optimizer={name: sgd}'"
    assert load("optimizer: {betas: [0.9, 0.9]}\n", "optimizer={name: sgd}").optimizer == Sgd(
        name="sgd"
    )


def test_the_message_is_a_list_with_a_hint() -> None:
    with pytest.raises(RecipeError) as caught:
        load("lora: {rnk: 3}\nratio: 2\n")

    assert caught.value.exit_code == 2
    assert caught.value.message == (
        "mine.yaml has 2 problems\n"
        "  lora.rnk  no such setting; did you mean 'rank'?  (mine.yaml:4)\n"
        "  ratio     must be at most 1; found 2  (mine.yaml:5)"
    )
    assert caught.value.hint == "`llmctl recipe settings toy` lists every setting with its meaning"


def test_no_message_speaks_of_types_and_tags() -> None:
    body = (
        "data: {train: [[1]], unit: 1, filters: [{name: x}, 3]}\nlora: {targets: 3, rank: x}\n"
        "optimizer: {name: adam, betas: 3}\nsteps: []\nbatch: {}\nfolder: []\nconfig: 1\n"
    )

    said = " ".join(text for _, text, _ in problems(body))

    for word in ("Input", "union", "tag", "str", "int", "dict", "literal", "valid", "pydantic"):
        assert word not in said.split()


# --- head and file ---


def head_problems(text: str, recipe_class: type[ToyRecipe] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(text), [], recipe_class) if recipe_class else load_recipe(write(text))
    return [(problem.path, problem.text) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("command: toy\ndata: {train: x}\n", "schema",
         "required: write 'schema: 1' on top of the file"),
        ("schema: one\ncommand: toy\ndata: {train: x}\n", "schema",
         "expected 1; found the text 'one'"),
        ("schema: true\ncommand: toy\ndata: {train: x}\n", "schema", "expected 1; found true"),
        ("schema: 0\ncommand: toy\ndata: {train: x}\n", "schema",
         "expected 1; found the number 0"),
        ("schema: 1\ndata: {train: x}\n", "command", "required: choose one of toy"),
        ("schema: 1\ncommand: pretrain\ndata: {train: x}\n", "command",
         "is 'pretrain'; a toy recipe is needed here"),
        ("schema: 1\ncommand: tyo\ndata: {train: x}\n", "command",
         "choose one of toy, not 'tyo'; did you mean 'toy'?"),
    ],
)  # fmt: skip
def test_the_head_is_checked(text: str, path: str, said: str) -> None:
    assert head_problems(text, ToyRecipe) == [(path, said)]


def test_an_unknown_command_names_the_nearest() -> None:
    ((path, said),) = head_problems("schema: 1\ncommand: pretrian\nzzz: 1\n")

    assert path == "command"
    assert said.startswith("choose one of pretrain")
    assert said.endswith("not 'pretrian'; did you mean 'pretrain'?")


def test_a_later_format_asks_for_an_upgrade_and_nothing_else() -> None:
    text = "schema: 2\ncommand: future\nnew: {setting: 1}\n"

    with pytest.raises(RecipeError) as caught:
        load_recipe(write(text), [], ToyRecipe)

    (problem,) = caught.value.problems
    assert (problem.text, problem.source) == (
        "is 2; this llmctl reads recipes up to 1",
        "mine.yaml:1",
    )
    assert caught.value.hint == "upgrade: pip install --upgrade llmctl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; a recipe begins with 'schema: 1'"),
        ("# a comment\n", "is empty; a recipe begins with 'schema: 1'"),
        ("{}\n", "is empty; a recipe begins with 'schema: 1'"),
        ("- a\n- b\n", "holds a list; a recipe begins with 'schema: 1'"),
        ("Call me Ishmael.\n",
         "holds the text 'Call me Ishmael.'; a recipe begins with 'schema: 1'"),
        ("schema: 1\n\tcommand: toy\n", "indent with spaces, not with tabs"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_mapping_is_said_to_be_what_it_is(text: str, said: str) -> None:
    assert head_problems(text) == [("file", said)]
