"""Cut long token sequences into windows so that every token is predicted exactly once.

A sequence of `n` tokens has the targets 1 … n-1: a token is predicted from those before it, and the
first has none (it is the BOS or EOS put before a document, or, without one, a token that cannot be
scored). Pure functions of counts; no tokens are touched.
"""

from __future__ import annotations

from typing import NamedTuple

from llmctl.errors import UsageError


class Window(NamedTuple):
    """What the model is given, and what it has to predict there.

    `inputs` ends one before `targets`: the output at input position p predicts token p + 1, so the
    targets are predicted by the last `targets.stop - targets.start` outputs.
    """

    inputs: slice
    targets: slice

    @property
    def length(self) -> int:
        return self.inputs.stop - self.inputs.start

    @property
    def num_targets(self) -> int:
        return self.targets.stop - self.targets.start


def rolling_windows(num_tokens: int, max_length: int, context: int = 0) -> list[Window]:
    """Consecutive windows whose targets do not overlap, as lm-evaluation-harness cuts them.

    The first window predicts `max_length` tokens; later ones see `context` earlier tokens again and
    predict `max_length - context`. The last one, which has fewer targets, is filled up with earlier
    tokens. (The harness calls `context + 1` its context length.)

    Args:
        num_tokens: tokens of the sequence, the one before its first target included.
        max_length: tokens the model is given at most.
        context: earlier tokens kept, beside the one that predicts the first target.

    Raises:
        UsageError: no room is left for targets.

    >>> for window in rolling_windows(8, max_length=3):
    ...     print(window.inputs, window.targets)
    slice(0, 3, None) slice(1, 4, None)
    slice(3, 6, None) slice(4, 7, None)
    slice(4, 7, None) slice(7, 8, None)
    """
    if not 0 <= context < max_length:
        raise UsageError(
            f"a context of {context} leaves no target in a window of {max_length} tokens",
            hint=f"--context {max_length // 2}",
        )
    windows = []
    scored = 1
    while scored < num_tokens:
        room = max_length if scored == 1 else max_length - context
        stop = min(num_tokens, scored + room)
        start = max(0, stop - 1 - max_length)
        windows.append(Window(slice(start, stop - 1), slice(scored, stop)))
        scored = stop
    return windows


def strided_windows(num_tokens: int, max_length: int, stride: int) -> list[Window]:
    """A window every `stride` tokens, each scoring what no earlier one scored.

    The loop of the Hugging Face perplexity page over one long stream, with two repairs: tokens are
    counted as they are scored, and with `stride == max_length`, where that loop loses the first
    token of every window, the window is moved back by the one token that predicts it.

    Args:
        num_tokens: tokens of the stream.
        max_length: tokens of a window.
        stride: from one window's start to the next one's.

    Raises:
        UsageError: a stride longer than the window would leave tokens out.

    >>> for window in strided_windows(8, max_length=4, stride=2):
    ...     print(window.inputs, window.targets)
    slice(0, 3, None) slice(1, 4, None)
    slice(2, 5, None) slice(4, 6, None)
    slice(4, 7, None) slice(6, 8, None)
    """
    if not 1 <= stride <= max_length:
        raise UsageError(
            f"a stride of {stride} leaves tokens out: a window has {max_length}",
            hint=f"--stride {max_length // 2}",
        )
    windows = []
    scored = 1
    begin = 0
    while scored < num_tokens:
        stop = min(begin + max_length, num_tokens)
        if stop > scored:
            start = min(begin, scored - 1)
            windows.append(Window(slice(start, stop - 1), slice(scored, stop)))
            scored = stop
        begin += stride
    return windows
