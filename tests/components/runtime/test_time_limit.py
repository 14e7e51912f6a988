"""Calls that may hang: what they give in time, and that nobody waits for the others."""

import gc
import queue
import signal
import threading

import pytest

from dicebeam.components.runtime import time_limit

LONG = 60.0


@pytest.fixture(autouse=True)
def _no_call_of_another_test(monkeypatch):
    """A call that an earlier test gave up on may come back at any moment, and would be counted here."""
    monkeypatch.setattr(time_limit, "_given_up", set())


@pytest.fixture
def hanging():
    """A function that does not come back before the test is over."""
    freed = threading.Event()
    yield lambda: freed.wait(LONG)
    freed.set()


def test_a_call_in_time_gives_its_result():
    assert time_limit.call(lambda: 3, LONG) == 3


def test_an_error_is_raised_as_it_is():
    error = ValueError("as it is")

    def fail():
        raise error

    with pytest.raises(ValueError, match="as it is") as raised:
        time_limit.call(fail, LONG)
    assert raised.value is error


def test_a_thread_has_one_helper_for_all_of_its_calls():
    names = {time_limit.call(threading.get_ident, LONG) for _ in range(3)}
    assert len(names) == 1
    assert names != {threading.get_ident()}


def test_a_call_that_hangs_is_given_up_on(hanging):
    with pytest.raises(TimeoutError):
        time_limit.call(hanging, 0.01)
    assert time_limit.still_running() == 1


def test_what_comes_late_is_not_the_next_calls_result():
    freed = threading.Event()

    def late():
        return freed.wait(LONG) and "late"

    with pytest.raises(TimeoutError):
        time_limit.call(late, 0.01)
    freed.set()
    assert time_limit.call(lambda: "mine", LONG) == "mine"


def test_a_call_that_comes_back_late_no_longer_runs():
    threads, freed = queue.SimpleQueue(), threading.Event()

    def late():
        threads.put(threading.current_thread())
        return freed.wait(LONG)

    with pytest.raises(TimeoutError):
        time_limit.call(late, 0.01)
    thread = threads.get(timeout=LONG)
    assert time_limit.still_running() == 1
    freed.set()
    thread.join(LONG)
    assert time_limit.still_running() == 0
    assert not thread.is_alive()


def test_an_interrupt_ends_the_waiting_and_spoils_no_later_call(hanging):
    def interrupt_and_hang():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # who waits, as Ctrl-C does in a command
        return hanging()

    with pytest.raises(KeyboardInterrupt):
        time_limit.call(interrupt_and_hang, LONG)
    assert time_limit.still_running() == 1
    assert time_limit.call(lambda: "mine", LONG) == "mine"


def test_a_helper_ends_with_the_thread_it_works_for():
    found = []
    caller = threading.Thread(target=lambda: found.append(time_limit.call(threading.current_thread, LONG)))
    caller.start()
    caller.join(LONG)
    del caller
    gc.collect()
    found[0].join(LONG)
    assert not found[0].is_alive()


def test_the_limit_holds_for_each_of_several_threads(hanging):
    failed = []

    def call():
        try:
            time_limit.call(hanging, 0.01)
        except TimeoutError:
            failed.append(threading.get_ident())

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(LONG)
    assert len(failed) == 3
