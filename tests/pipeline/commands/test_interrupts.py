"""Signals that end a command, and a process that does not wait for a model that hangs."""

import os
import signal
import threading

import pytest

from dicebeam.components.runtime import time_limit
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import interrupts, terminal


def test_ctrl_c_is_130():
    with interrupts.interruptible() as stop, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stop.exit_code == 130


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_schedulers_signal_is_as_ctrl_c_with_a_code_of_its_own(number, code):
    own = signal.signal(number, signal.SIG_DFL)  # of tests under nohup, SIGHUP is ignored
    try:
        with interrupts.interruptible() as stop, pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stop.exit_code == code
    finally:
        signal.signal(number, own)


def test_the_handlers_are_gone_after_the_block():
    with interrupts.interruptible():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_so():
    own = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with interrupts.interruptible():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, own)


def test_another_thread_sets_no_handlers():
    codes = []

    def run():
        with interrupts.interruptible() as stop:
            codes.append(stop.exit_code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [130]


def test_the_command_ends_with_143_on_sigterm():
    def terminated():
        with terminal.exits(verbose=False):
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)

    with pytest.raises(BaseException) as raised:  # noqa: PT011 - typer's Exit
        terminated()
    assert raised.value.exit_code == 143


@pytest.fixture
def left(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def test_a_process_whose_calls_came_back_ends_as_usual(left, monkeypatch):
    monkeypatch.setattr(time_limit, "still_running", lambda: 0)
    interrupts.leave(2)
    assert left == []


@pytest.mark.parametrize(("given", "code"), [(2, 2), (None, 0), ("text", 1), (130, 130)])
def test_a_process_with_a_hanging_call_ends_at_once(left, monkeypatch, given, code):
    monkeypatch.setattr(time_limit, "still_running", lambda: 1)
    interrupts.leave(given)
    assert left == [code]


def test_the_command_line_leaves_a_hanging_call_behind(left, monkeypatch):
    monkeypatch.setattr(time_limit, "still_running", lambda: 1)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert left == [0]
