"""Numbers about a tokenizer and a text, against counts by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmctl.tokenization.load import load_tokenizer
from llmctl.tokenization.measure import measure, script_codes
from llmctl.tokenization.show import longest_tokens, show_text, visible


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A lowercased WordPiece vocabulary small enough to count by eye."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sea", "sea##s"[:3] + "t", "##s", "月", "."]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    return tmp_path


def test_scripts_are_told_apart_by_letter() -> None:
    assert script_codes("aé 床々3,\n。ア").tolist() == [0, 0, 3, 1, 1, 2, 2, 3, 2, 2]


def test_counts_of_a_mixed_text(bert: Path) -> None:
    """`seas 月光 .` is `sea ##s 月 [UNK] .`: two Latin tokens, two Han, one other."""
    found = measure(load_tokenizer(str(bert)), ["seas 月光 ."]).as_dict()
    assert found["tokens"] == 5
    assert found["characters"] == 9
    assert found["bytes"] == 13
    assert found["bytes_per_token"] == pytest.approx(13 / 5)
    assert found["characters_per_token"] == pytest.approx(9 / 5)
    assert found["unknown_token_share"] == pytest.approx(1 / 5)
    assert found["character_coverage"] == pytest.approx(1 - 1 / 9)
    assert found["scripts"] == {
        "Latin": {"characters": 4, "words": 1, "tokens": 2, "tokens_per_word": 2.0,
                  "tokens_per_character": 0.5},
        "Han": {"characters": 2, "words": None, "tokens": 2, "tokens_per_word": None,
                "tokens_per_character": 1.0},
        "other": {"characters": 1, "words": None, "tokens": 1, "tokens_per_word": None,
                  "tokens_per_character": 1.0},
    }  # fmt: skip


def test_round_trips_are_counted_exactly_and_apart_from_blanks_and_case(bert: Path) -> None:
    found = measure(load_tokenizer(str(bert)), ["sea\n\nSea\n", "sea  月\n光"]).as_dict()
    assert found["lines_decoded"] == 4
    assert found["round_trip_share"] == 1 / 4  # `Sea` comes back lowercased, `光` not at all
    assert found["round_trip_share_without_blanks_and_case"] == 3 / 4


def test_a_byte_level_tokenizer_knows_everything(tokenizer_folder: Path) -> None:
    found = measure(load_tokenizer(str(tokenizer_folder)), ["the sea 𠮷 <|endoftext|>"]).as_dict()
    assert found["round_trip_share"] == 1.0
    assert found["character_coverage"] == 1.0


def test_nothing_to_measure_gives_no_ratios(tokenizer_folder: Path) -> None:
    found = measure(load_tokenizer(str(tokenizer_folder)), []).as_dict()
    assert found["tokens"] == 0
    assert found["bytes_per_token"] is None
    assert measure(load_tokenizer(str(tokenizer_folder)), [""]).as_dict()["texts"] == 1


def test_more_texts_than_a_batch_are_all_measured(tokenizer_folder: Path) -> None:
    assert measure(load_tokenizer(str(tokenizer_folder)), ["sea"] * 600).texts == 600


@pytest.mark.parametrize(
    ("token", "shown"),
    [("Ġthe", "␣the"), ("åºĬ", "床"), ("åº", "<E5><BA>"), ("Ċ", "⏎"), ("Ġé", "␣<E9>"),
     ("床", "床")],
)  # fmt: skip
def test_byte_level_tokens_are_shown_as_text(token: str, shown: str) -> None:
    assert visible(token, byte_level=True) == shown


def test_other_tokens_are_shown_as_they_are() -> None:
    assert visible("▁the", byte_level=False) == "␣the"
    assert visible("åº", byte_level=False) == "åº"


def test_the_tokens_of_a_text_are_shown_with_their_ids(bert: Path) -> None:
    shown = show_text(load_tokenizer(str(bert)), "Seas 月")
    assert shown == [(2, "[CLS]"), (4, "sea"), (6, "##s"), (7, "月"), (3, "[SEP]")]


def test_the_longest_tokens_leave_out_special_ones(bert: Path) -> None:
    assert longest_tokens(load_tokenizer(str(bert)), 2) == ["seat", "sea"]
