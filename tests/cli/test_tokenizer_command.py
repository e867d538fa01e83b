"""`llmctl tokenizer train` and `inspect` as a person types them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest

Run = Callable[..., Any]


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    return fakes.make_text_file(tmp_path / "text.txt", count=100)


def test_train_writes_a_folder_and_reports(llmctl: Run, text_file: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    outcome = llmctl("tokenizer", "train", text_file, "--vocab-size", 300, "-o", tmp_path / "tok")
    assert outcome.code == 0
    for words in ("GPT2Tokenizer, 300 tokens", "<|endoftext|>", "bytes per token", "Han", "saved"):
        assert words in outcome.out
    assert len(AutoTokenizer.from_pretrained(tmp_path / "tok")) == 300


def test_training_again_says_it_is_finished_and_other_settings_are_refused(
    llmctl: Run, text_file: Path, tmp_path: Path
) -> None:
    words = ("tokenizer", "train", text_file, "-o", tmp_path / "tok", "--vocab-size")
    first = llmctl(*words, 300)
    again = llmctl(*words, 300)
    other = llmctl(*words, 320)
    text_file.write_text("other text " * 50, encoding="utf-8")
    changed = llmctl(*words, 300)

    assert (first.code, again.code, other.code, changed.code) == (0, 0, 2, 2)
    assert "is finished; nothing to do" in again.err
    assert again.out == first.out
    assert "holds another tokenizer already" in other.err


def test_train_prints_one_json_object(llmctl: Run, text_file: Path, tmp_path: Path) -> None:
    outcome = llmctl(
        "tokenizer", "train", text_file, "--kind", "wordpiece", "--lowercase", "--vocab-size", 250,
        "--character-coverage", 1, "-o", tmp_path / "tok", "--json",
    )  # fmt: skip
    found = json.loads(outcome.out)
    assert found["class"] == "BertTokenizer"
    assert found["special_tokens"]["mask_token"] == {"token": "[MASK]", "id": 4}
    assert found["training"]["bytes_read"] == found["training"]["bytes_used"]
    assert found["measured"]["round_trip_share"] == 0.0  # lowercased
    assert found["measured"]["round_trip_share_without_blanks_and_case"] == 1.0


def test_train_reads_several_kinds_of_files(llmctl: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "the sea"}\n{"body": "床前明月光"}\n', "utf-8")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write('{"body": "calm"}\n')
    outcome = llmctl(
        "tokenizer", "train", tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", "--text-column",
        "body", "--vocab-size", 260, "-o", tmp_path / "tok", "--json",
    )  # fmt: skip
    assert outcome.code == 0
    assert json.loads(outcome.out)["training"]["documents_read"] == 3


def test_a_sample_is_said_in_the_report(llmctl: Run, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": f"line {i:04d} of text"}) + "\n" for i in range(500))
    (tmp_path / "rows.jsonl").write_text(lines)
    outcome = llmctl(
        "tokenizer", "train", tmp_path / "rows.jsonl", "--max-bytes", "2kB", "--vocab-size", 270,
        "-o", tmp_path / "tok",
    )  # fmt: skip
    assert outcome.code == 0
    assert "500 documents, 8.5 kB; a fixed sample of 1.99 kB (23%) of it was used" in outcome.out


def test_a_tokenizer_is_not_overwritten_unasked(
    llmctl: Run, text_file: Path, tmp_path: Path
) -> None:
    words = ("tokenizer", "train", text_file, "--vocab-size", 300, "-o", tmp_path / "tok")
    assert llmctl(*words).code == 0
    before = (tmp_path / "tok" / "tokenizer.json").read_bytes()
    again = llmctl(*words, "--family", "llama")
    assert again.code == 2
    assert "--fresh" in again.err
    assert (tmp_path / "tok" / "tokenizer.json").read_bytes() == before
    assert llmctl(*words, "--family", "llama", "--fresh").code == 0
    assert (tmp_path / "tok" / "tokenizer.json").read_bytes() != before


def test_a_folder_of_other_things_is_never_replaced(
    llmctl: Run, text_file: Path, tmp_path: Path
) -> None:
    outcome = llmctl("tokenizer", "train", text_file, "-o", tmp_path, "--fresh")
    assert outcome.code == 2
    assert text_file.exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--kind", "bp"), 2, "--kind"),
        (("--family", "bert"), 2, "uses wordpiece"),
        (("--vocab-size", "10"), 2, "too small"),
        (("--max-bytes", "lots"), 2, "--max-bytes"),
        (("--kind", "unigram", "--vocab-size", "30000"), 65, "at most"),
    ],
)
def test_what_cannot_be_is_refused(
    llmctl: Run, text_file: Path, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    outcome = llmctl("tokenizer", "train", text_file, *options, "-o", tmp_path / "tok")
    assert outcome.code == code
    assert said in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "tok").exists()


def test_a_missing_file_and_an_empty_file(llmctl: Run, tmp_path: Path) -> None:
    assert llmctl("tokenizer", "train", tmp_path / "no.txt", "-o", tmp_path / "t").code == 66
    (tmp_path / "empty.txt").write_text("")
    assert llmctl("tokenizer", "train", tmp_path / "empty.txt", "-o", tmp_path / "t").code == 65


def test_inspect_shows_tokens_visibly(llmctl: Run, tokenizer_folder: Path) -> None:
    outcome = llmctl("tokenizer", "inspect", tokenizer_folder, "--text", "the sea 𠮷")
    assert outcome.code == 0
    assert "384 tokens" in outcome.out
    assert "␣ | <F0> | <A0> | <AE> | <B7>" in outcome.out


def test_inspect_measures_files(llmctl: Run, tokenizer_folder: Path, text_file: Path) -> None:
    outcome = llmctl("tokenizer", "inspect", tokenizer_folder, text_file, "--json")
    found = json.loads(outcome.out)
    assert found["measured"]["bytes"] == len(text_file.read_bytes().rstrip(b"\n"))
    assert found["measured"]["round_trip_share"] == 1.0
    assert set(found["measured"]["scripts"]) == {"Latin", "Han", "other"}


def test_inspect_of_a_missing_tokenizer(llmctl: Run, tmp_path: Path) -> None:
    outcome = llmctl("tokenizer", "inspect", tmp_path / "none")
    assert outcome.code == 66
    assert "none" in outcome.err


@pytest.mark.parametrize("command", ["train", "inspect"])
def test_help_ends_with_an_example(llmctl: Run, command: str) -> None:
    outcome = llmctl("tokenizer", command, "--help")
    assert f"Example: llmctl tokenizer {command}" in outcome.out.replace("\n  ", " ")
