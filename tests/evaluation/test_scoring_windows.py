"""Windows predict every token exactly once and never exceed the model's positions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from llmctl.errors import UsageError
from llmctl.evaluation.sequences import joined, one_each, scored_counts
from llmctl.evaluation.windows import Window, rolling_windows, strided_windows


def check_windows(windows: list[Window], num_tokens: int, max_length: int) -> None:
    targets = [
        position
        for window in windows
        for position in range(window.targets.start, window.targets.stop)
    ]
    assert targets == list(range(1, num_tokens))
    for window in windows:
        assert 0 <= window.inputs.start < window.targets.start
        assert window.inputs.stop == window.targets.stop - 1
        assert 1 <= window.length <= max_length


@pytest.mark.parametrize("max_length", [1, 2, 3, 7, 16])
def test_rolling_windows_predict_every_token_once(max_length: int) -> None:
    for context in range(max_length):
        for num_tokens in range(0, 4 * max_length + 3):
            check_windows(rolling_windows(num_tokens, max_length, context), num_tokens, max_length)


@pytest.mark.parametrize("max_length", [1, 2, 3, 7, 16])
def test_strided_windows_predict_every_token_once(max_length: int) -> None:
    for stride in range(1, max_length + 1):
        for num_tokens in range(0, 4 * max_length + 3):
            check_windows(strided_windows(num_tokens, max_length, stride), num_tokens, max_length)


def test_later_rolling_windows_see_at_least_the_context_asked_for() -> None:
    for _, window in pairwise(rolling_windows(100, max_length=10, context=4)):
        assert window.targets.start - 1 - window.inputs.start >= 4


def test_rolling_windows_are_those_of_the_evaluation_harness() -> None:
    # lm-evaluation-harness tests/test_utils.py, prefix -100 and tokens 0..33, 10 tokens at most,
    # context length 5 there: inputs [-100, 0..8], then [5..14] of which the targets are 10..15.
    windows = rolling_windows(35, max_length=10, context=4)
    assert windows[0] == Window(slice(0, 10), slice(1, 11))
    assert windows[1] == Window(slice(6, 16), slice(11, 17))
    assert windows[-1] == Window(slice(24, 34), slice(29, 35))
    assert len(windows) == 5


def test_strided_windows_overlap_as_in_the_hugging_face_loop() -> None:
    # max_length 4, stride 2, 7 tokens: that loop takes [0:4], [2:6] and [4:7] and scores, after
    # its shift, the tokens 1-3, 4-5 and 6.
    assert strided_windows(7, max_length=4, stride=2) == [
        Window(slice(0, 3), slice(1, 4)),
        Window(slice(2, 5), slice(4, 6)),
        Window(slice(4, 6), slice(6, 7)),
    ]


def test_a_stride_of_a_whole_window_loses_no_token() -> None:
    assert strided_windows(9, max_length=4, stride=4) == [
        Window(slice(0, 3), slice(1, 4)),
        Window(slice(3, 7), slice(4, 8)),
        Window(slice(7, 8), slice(8, 9)),
    ]


@pytest.mark.parametrize("context", [-1, 8, 9])
def test_a_context_that_leaves_no_target_is_refused(context: int) -> None:
    with pytest.raises(UsageError, match="context"):
        rolling_windows(100, max_length=8, context=context)


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_that_leaves_tokens_out_is_refused(stride: int) -> None:
    with pytest.raises(UsageError, match="stride"):
        strided_windows(100, max_length=8, stride=stride)


def test_without_a_prefix_the_first_token_of_each_document_is_not_scored() -> None:
    sequences = one_each([np.array([7, 8]), np.array([9])], prefix=None)
    assert [sequence.scored.tolist() for sequence in sequences] == [[False, True], [False]]


def test_without_a_prefix_only_the_first_token_of_the_stream_is_not_scored() -> None:
    stream = joined([np.array([7, 8]), np.array([9])], prefix=None)
    assert stream.tokens.tolist() == [7, 8, 9]
    assert stream.scored.tolist() == [False, True, True]


def test_prefixes_are_not_counted_as_scored() -> None:
    stream = joined([np.array([0, 2]), np.array([2])], prefix=0)
    assert scored_counts([stream], 4).tolist() == [1, 0, 2, 0]
