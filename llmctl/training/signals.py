"""Stopping on request: a signal sets a flag, and the loop stops at the next step's end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from llmctl import console
from llmctl.errors import EXIT_INTERRUPTED


class StopRequest:
    """Whether someone asked this process to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def __bool__(self) -> bool:
        return self.signal_name is not None


@contextmanager
def listen_for_stop() -> Iterator[StopRequest]:
    """SIGTERM, SIGHUP and Ctrl-C end the current step, save and leave with 75.

    A second Ctrl-C leaves at once with 130; the last checkpoint is valid. A signal that is ignored
    stays so: `nohup` ignores SIGHUP, and a shell SIGINT for what it starts in the background.
    """
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT and request:
            os._exit(EXIT_INTERRUPTED)
        request.signal_name = signal.Signals(number).name
        if number == signal.SIGINT:
            console.note("stopping after this step; press Ctrl-C again to leave at once")

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
