"""Which signals stop a run, and which stay ignored."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from llmctl.training.signals import listen_for_stop


@pytest.fixture
def hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_a_hangup_stops_a_run_and_the_old_handler_returns() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with listen_for_stop() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal_name == "SIGHUP"

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


@pytest.mark.usefixtures("hangup")
def test_under_nohup_a_hangup_does_not_stop_a_run() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listen_for_stop() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
