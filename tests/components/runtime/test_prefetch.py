"""Threads ahead of a consumer: order, errors in their place, bounded, and gone when nobody listens."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.runtime import prefetch


def decoding_threads():
    return [t for t in threading.enumerate() if t.name.startswith("dicebeam-decode")]


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.integers(), max_size=30), threads=st.integers(1, 4), ahead=st.integers(0, 8))
def test_it_is_map(items, threads, ahead):
    found = prefetch.ordered_map(lambda x: x * 2, iter(items), name="test", threads=threads, ahead=ahead)
    assert list(found) == [x * 2 for x in items]


def test_order_is_kept_where_later_items_are_faster():
    def slow(i):
        time.sleep((4 - i) * 0.01)
        return i

    assert list(prefetch.ordered_map(slow, range(5), name="test", threads=4, ahead=4)) == [0, 1, 2, 3, 4]


def test_the_next_results_are_computed_while_the_consumer_is_busy():
    done = threading.Barrier(3, timeout=60)  # two calls in threads and the consumer
    results = prefetch.ordered_map(
        lambda i: i if i == 0 else done.wait() and i, range(3), name="test", threads=2, ahead=2
    )
    assert next(results) == 0
    done.wait()
    results.close()


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_no_more_items_are_taken_than_said(ahead):
    taken = []

    def items():
        for i in range(20):
            taken.append(i)
            yield i

    for index, _ in enumerate(prefetch.ordered_map(lambda x: x, items(), name="test", threads=2, ahead=ahead)):
        assert len(taken) <= index + 1 + ahead


@pytest.mark.parametrize("ahead", [0, 2, 10])
def test_an_error_of_the_function_comes_at_its_place(ahead):
    results = prefetch.ordered_map(lambda x: 1 // (x - 3), range(6), name="test", threads=2, ahead=ahead)
    assert [next(results) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not decoding_threads()


@pytest.mark.parametrize("ahead", [0, 2, 10])
def test_an_error_of_the_items_comes_at_its_place(ahead):
    def items():
        yield from range(3)
        raise OSError("the disk is gone")

    results = prefetch.ordered_map(lambda x: x, items(), name="test", threads=2, ahead=ahead)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)


def test_closing_early_ends_the_threads_and_drops_what_has_not_begun():
    begun, go = [], threading.Event()

    def function(i):
        begun.append(i)
        go.wait(5)
        return i

    go.set()
    results = prefetch.ordered_map(function, range(1000), name="test", threads=1, ahead=50)
    next(results)
    go.clear()
    threading.Timer(0.05, go.set).start()
    results.close()
    assert len(begun) < 60
    assert not decoding_threads()


def test_closing_early_closes_the_items():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(True)

    results = prefetch.ordered_map(lambda x: x, items(), name="test", threads=1, ahead=2)
    next(results)
    results.close()
    assert closed == [True]


def test_nothing_to_do():
    assert list(prefetch.ordered_map(str, [], name="test", threads=1, ahead=3)) == []
    assert not decoding_threads()


def test_the_threads_say_what_they_do():
    names = prefetch.ordered_map(
        lambda _: threading.current_thread().name, range(3), name="footers", threads=1, ahead=1
    )
    assert set(names) == {"dicebeam-footers_0"}
