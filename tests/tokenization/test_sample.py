"""A bounded sample of a corpus."""

from __future__ import annotations

from llmctl.tokenization.sample import cut_long_runs, take_sample


def test_a_corpus_within_the_budget_is_used_whole_and_in_order() -> None:
    sample = take_sample(["first", "second", "third"], 100, seed=0)
    assert sample.texts == ["first", "second", "third"]
    assert sample.complete
    assert (sample.documents_read, sample.bytes_read, sample.bytes_used) == (3, 16, 16)


def test_a_larger_corpus_is_cut_to_the_budget() -> None:
    sample = take_sample((f"document {i:04d}" for i in range(1000)), 1300, seed=0)
    assert len(sample.texts) == 100  # of 13 bytes each
    assert sample.bytes_used == 1300
    assert not sample.complete
    assert sample.documents_read == 1000


def test_the_sample_does_not_depend_on_the_order_of_the_documents() -> None:
    texts = [f"document {i:04d}" for i in range(1000)]
    forward = take_sample(texts, 1300, seed=0).texts
    backward = take_sample(texts[::-1], 1300, seed=0).texts
    assert sorted(forward) == sorted(backward)


def test_another_seed_takes_another_sample() -> None:
    texts = [f"document {i:04d}" for i in range(1000)]
    assert take_sample(texts, 1300, seed=0).texts != take_sample(texts, 1300, seed=1).texts


def test_the_sample_is_spread_over_the_whole_corpus() -> None:
    texts = [f"document {i:04d}" for i in range(1000)]
    numbers = [int(text[-4:]) for text in take_sample(texts, 13 * 200, seed=0).texts]
    in_first_half = sum(number < 500 for number in numbers)
    assert 70 < in_first_half < 130  # 100 are expected; four standard deviations are 28


def test_a_single_document_over_the_budget_is_sampled_in_parts() -> None:
    sample = take_sample(["x" * 1_000_000], 200_000, seed=0)
    assert 0 < sample.bytes_used <= 200_000
    assert sample.documents_read == 1
    assert sample.bytes_read == 1_000_000


def test_something_is_kept_of_any_text() -> None:
    assert take_sample(["a longer text"], 1, seed=0).texts == ["a longer text"]


def test_text_without_blanks_counts_for_more() -> None:
    """Three Chinese letters are nine bytes; at a weight of 16 they count for 144."""
    texts = ["床前月"] * 10
    assert len(take_sample(texts, 144 * 5, seed=0, unspaced_weight=16).texts) == 5
    assert len(take_sample(texts, 9 * 10, seed=0, unspaced_weight=1).texts) == 10


def test_long_runs_are_cut_and_nothing_is_lost() -> None:
    text = "word " * 100 + "x" * 1000 + " " * 700 + "床" * 300 + " end"
    pieces = list(cut_long_runs(text))
    assert "".join(pieces) == text
    assert max(max(map(len, piece.split()), default=0) for piece in pieces) == 256


def test_ordinary_text_is_not_cut() -> None:
    assert list(cut_long_runs("床前明月光，\n\n a b c")) == ["床前明月光，\n\n a b c"]
