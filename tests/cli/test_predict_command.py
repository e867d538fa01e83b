"""`llmctl predict` as a person types it: rows in, rows out, resuming, errors."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

Run = Callable[..., Any]
OPTIONS = ("--max-new-tokens", 6)


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    texts = ["the sea", "the old captain told a story", "", "床前明月光", "white", "a story of"]
    return write_rows(
        tmp_path / "prompts.jsonl", [{"id": n, "prompt": text} for n, text in enumerate(texts)]
    )


def test_rows_come_out_in_order_with_their_columns(
    llmctl: Run, model_folder: Path, prompts: Path
) -> None:
    outcome = llmctl("predict", model_folder, prompts, *OPTIONS)
    assert outcome.code == 0
    rows = rows_of(outcome.out)
    assert [row["id"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert all(set(row) == {"id", "prompt", "prediction", "finish_reason", "prompt_tokens",
                            "new_tokens"} for row in rows)  # fmt: skip
    assert rows[2]["prompt_tokens"] == 1  # the empty prompt begins with the document token
    assert {row["finish_reason"] for row in rows} <= {"eos", "length"}
    assert "6 rows predicted" in outcome.err


@pytest.mark.parametrize("how", [(), ("--temperature", 1, "--seed", 3), ("--beams", 2)])
def test_the_batch_size_changes_nothing(
    llmctl: Run, model_folder: Path, prompts: Path, how: tuple[Any, ...]
) -> None:
    one = llmctl("predict", model_folder, prompts, *OPTIONS, *how, "--batch-size", 1)
    four = llmctl("predict", model_folder, prompts, *OPTIONS, *how, "--batch-size", 4)
    assert one.code == 0
    assert one.out == four.out


def test_a_prompt_from_the_command_line_is_the_row_of_a_file(
    llmctl: Run, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("the sea\n")
    words = (*OPTIONS, "--top-p", 0.9, "--seed", 2)
    from_file = llmctl("predict", model_folder, tmp_path / "one.txt", *words)
    typed = llmctl("predict", model_folder, "--prompt", "the sea", *words)
    assert typed.out == from_file.out
    assert rows_of(typed.out)[0]["prompt"] == "the sea"


def test_a_terminal_gets_the_text_alone(
    llmctl: Run, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = rows_of(llmctl("predict", model_folder, "--prompt", "the sea", *OPTIONS).out)[0]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = llmctl("predict", model_folder, "--prompt", "the sea", *OPTIONS)
    assert shown.out == row["prediction"] + "\n"


def test_lines_of_a_text_file_and_of_stdin_are_prompts(
    llmctl: Run, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "the sea\n\n床前\n"
    (tmp_path / "lines.txt").write_text(text, "utf-8")
    from_file = llmctl("predict", model_folder, tmp_path / "lines.txt", *OPTIONS)
    assert [row["prompt"] for row in rows_of(from_file.out)] == ["the sea", "", "床前"]
    stdin = SimpleNamespace(buffer=io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert llmctl("predict", model_folder, "-", *OPTIONS).out == from_file.out


def test_another_column_can_be_read(llmctl: Run, model_folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", [{"question": "the sea"}])
    missing = llmctl("predict", model_folder, path)
    assert missing.code == 66
    assert "--column question" in missing.err
    found = llmctl("predict", model_folder, path, "--column", "question", *OPTIONS)
    assert found.code == 0


def test_bad_rows_are_kept_with_their_error_and_the_rest_goes_on(
    llmctl: Run, model_folder: Path, tmp_path: Path
) -> None:
    long = "the sea " * 40
    lines = ['{"prompt": "the sea"}', "not json", '{"prompt": 5}', '{"other": "x"}',
             json.dumps({"prompt": long})]  # fmt: skip
    (tmp_path / "p.jsonl").write_text("\n".join(lines) + "\n")
    outcome = llmctl("predict", model_folder, tmp_path / "p.jsonl", *OPTIONS)
    rows = rows_of(outcome.out)
    assert outcome.code == 0
    assert ["error" in row for row in rows] == [False, True, True, True, True]
    assert all(row["prediction"] is None for row in rows[1:])
    assert rows[3]["other"] == "x"
    assert "58 fit beside 6 new ones" in rows[4]["error"]  # of 64 positions
    assert "1 rows predicted, 4 in error" in outcome.err
    assert "row 2" in outcome.err


def test_truncate_cuts_long_prompts_from_the_left(
    llmctl: Run, model_folder: Path, tmp_path: Path
) -> None:
    long = "the sea " * 40 + "told"
    path = write_rows(tmp_path / "p.jsonl", [{"prompt": long}])
    row = rows_of(llmctl("predict", model_folder, path, *OPTIONS, "--truncate").out)[0]
    assert row["prompt_tokens"] == 58
    assert row["prompt"] == long


def test_no_row_that_can_be_answered_is_an_error(
    llmctl: Run, model_folder: Path, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"prompt": "the sea " * 40}])
    outcome = llmctl("predict", model_folder, path, "-o", tmp_path / "out.jsonl")
    assert outcome.code == 65
    assert "error" in rows_of((tmp_path / "out.jsonl").read_text())[0]
    (tmp_path / "empty.jsonl").write_text("")
    assert llmctl("predict", model_folder, tmp_path / "empty.jsonl").code == 65


def test_json_prints_the_counts(
    llmctl: Run, model_folder: Path, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "preds.jsonl"
    found = json.loads(llmctl("predict", model_folder, prompts, *OPTIONS, "-o", out, "--json").out)
    assert (found["rows"], found["predicted"], found["errors"]) == (6, 6, 0)
    rows = rows_of(out.read_text("utf-8"))
    assert found["new_tokens"] == sum(row["new_tokens"] for row in rows)
    assert [row["_llmctl"]["row"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_a_finished_file_is_left_as_it_is(
    llmctl: Run, model_folder: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("predict", model_folder, prompts, *OPTIONS, "-o", tmp_path / "preds.jsonl")
    llmctl(*words)
    before = (tmp_path / "preds.jsonl").read_bytes()
    monkeypatch.setattr(
        "llmctl.pipelines.predict_generation.load_causal_model",
        lambda *_, **__: pytest.fail("loaded"),
    )  # the model is not even loaded
    again = llmctl(*words)
    assert again.code == 0
    assert "0 rows predicted, 6 done before" in again.err
    assert (tmp_path / "preds.jsonl").read_bytes() == before


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_killed_run_goes_on_where_it_stopped(
    llmctl: Run, model_folder: Path, prompts: Path, tmp_path: Path, cut: int
) -> None:
    out = tmp_path / "preds.jsonl"
    words = ("predict", model_folder, prompts, *OPTIONS, "--temperature", 1, "-o", out)
    llmctl(*words)
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[::-1][:cut]) + lines[0][:20])  # unsorted, the last one torn
    again = llmctl(*words, "--batch-size", 2)
    assert again.code == 0
    assert f"{cut} done before" in again.err
    assert out.read_bytes() == whole


def test_changed_rows_are_answered_anew_and_gone_rows_dropped(
    llmctl: Run, model_folder: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "p.jsonl", tmp_path / "preds.jsonl"
    words = ("predict", model_folder, path, *OPTIONS, "-o", out, "--json")
    write_rows(path, [{"prompt": "the sea"}, {"prompt": "white"}, {"prompt": "a story"}])
    llmctl(*words)
    write_rows(path, [{"prompt": "the sea"}, {"prompt": "old"}])
    found = json.loads(llmctl(*words).out)
    assert (found["done_before"], found["predicted"]) == (1, 1)
    assert [row["prompt"] for row in rows_of(out.read_text())] == ["the sea", "old"]


def test_rows_in_error_are_tried_again(llmctl: Run, model_folder: Path, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "p.jsonl", [{"prompt": "the sea"}, {"prompt": "the sea " * 40}])
    words = ("predict", model_folder, path, *OPTIONS, "-o", tmp_path / "preds.jsonl")
    assert "1 in error" in llmctl(*words).err
    assert "1 rows predicted, 1 done before" in llmctl(*words, "--truncate").err
    assert not any("error" in row for row in rows_of((tmp_path / "preds.jsonl").read_text()))


def test_predictions_made_otherwise_are_not_mixed(
    llmctl: Run, model_folder: Path, prompts: Path, tmp_path: Path
) -> None:
    words = ("predict", model_folder, prompts, "-o", tmp_path / "preds.jsonl")
    llmctl(*words, *OPTIONS)
    other = llmctl(*words, "--max-new-tokens", 5)
    assert other.code == 78
    assert "max_new_tokens: 6 then, 5 now" in other.err
    assert llmctl(*words, "--max-new-tokens", 5, "--fresh").code == 0
    foreign = tmp_path / "mine.jsonl"
    foreign.write_text('{"mine": 1}\n')
    assert llmctl("predict", model_folder, prompts, *OPTIONS, "-o", foreign).code == 78
    assert foreign.read_text() == '{"mine": 1}\n'


def test_another_model_in_the_same_place_is_noticed(
    llmctl: Run, model_folder: Path, tokenizer_folder: Path, prompts: Path, tmp_path: Path
) -> None:
    import fakes

    words = ("predict", tmp_path / "m", prompts, *OPTIONS, "-o", tmp_path / "preds.jsonl")
    fakes.make_model(tmp_path / "m", tokenizer_folder, seed=1)
    assert llmctl(*words).code == 0
    fakes.make_model(tmp_path / "m", tokenizer_folder, seed=2)
    again = llmctl(*words)
    assert again.code == 78
    assert "model_sha256" in again.err


def test_two_processes_do_not_write_one_file(
    llmctl: Run, model_folder: Path, prompts: Path, tmp_path: Path
) -> None:
    from llmctl.pipelines.predictions_file import locked

    with locked(tmp_path / "preds.jsonl"):
        outcome = llmctl("predict", model_folder, prompts, "-o", tmp_path / "preds.jsonl")
    assert outcome.code == 80


def test_stop_words_are_cut_from_the_text(llmctl: Run, model_folder: Path) -> None:
    words = ("predict", model_folder, "--prompt", "the sea", *OPTIONS)
    whole = rows_of(llmctl(*words).out)[0]["prediction"]
    assert len(whole) > 4
    stopped = rows_of(llmctl(*words, "--stop", "never", "--stop", whole[2:4]).out)[0]
    assert stopped["prediction"] == whole[: whole.find(whole[2:4])]
    assert stopped["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--prompt", "x", "--beams", 2, "--temperature", 1), 2, "beams"),
        (("--prompt", "x", "--top-p", 2), 2, "--top-p"),
        (("--prompt", "x", "--max-new-tokens", 64), 2, "--max-new-tokens 32"),
        (("--prompt", "x", "--task", "generate"), 2, "generation"),
        (("--prompt", "x", "--device", "warp"), 2, "warp"),
        (("--prompt", "x", "-o", "preds.txt"), 2, ".jsonl"),
        (("--prompt", "x", "--fresh"), 2, "--fresh"),
        ((), 2, "--prompt"),
        (("no.jsonl",), 66, "no.jsonl"),
    ],
)
def test_what_cannot_be_is_refused(
    llmctl: Run, model_folder: Path, words: tuple[Any, ...], code: int, said: str
) -> None:
    outcome = llmctl("predict", model_folder, *words)
    assert outcome.code == code
    assert said in outcome.err
    assert outcome.out == ""


def test_an_input_and_a_prompt_are_one_too_many(
    llmctl: Run, model_folder: Path, prompts: Path
) -> None:
    assert llmctl("predict", model_folder, prompts, "--prompt", "x").code == 2
    assert llmctl("predict", model_folder, prompts, "--json").code == 2


def test_a_missing_model(llmctl: Run, prompts: Path, tmp_path: Path) -> None:
    outcome = llmctl("predict", tmp_path / "none", prompts, "-o", tmp_path / "preds.jsonl")
    assert outcome.code == 66
    assert not (tmp_path / "preds.jsonl").exists()


def test_a_tokenizer_larger_than_the_model_is_refused(
    llmctl: Run, tokenizer_folder: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=100, n_positions=64, n_embd=8, n_layer=1, n_head=1)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tokenizer_folder).save_pretrained(tmp_path)
    outcome = llmctl("predict", tmp_path, "--prompt", "the sea")
    assert outcome.code == 78
    assert "384" in outcome.err


def test_help_ends_with_an_example(llmctl: Run) -> None:
    assert "Example: llmctl predict" in llmctl("predict", "--help").out
