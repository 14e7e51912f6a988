"""Threads that share a budget of bytes: it bounds what they hold, and stops nobody for ever."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.runtime import prefetch
from dicebeam.components.runtime.byte_budget import ByteBudget
from dicebeam.components.runtime.prefetch import Held


def held(budget):
    """Items are their own size, and results that of a negative number."""
    return Held(lambda item: item, lambda result: -result, budget)


def doubled(items, budget, threads=4, ahead=8):
    return prefetch.ordered_map(
        lambda item: -2 * item, items, threads=threads, ahead=ahead, name="test", held=held(budget)
    )


@settings(max_examples=60, deadline=None)
@given(items=st.lists(st.integers(0, 50), max_size=30), limit=st.integers(0, 120), threads=st.integers(1, 4))
def test_the_results_do_not_depend_on_the_budget(items, limit, threads):
    budget = ByteBudget(limit)
    assert list(doubled(iter(items), budget, threads)) == [-2 * item for item in items]
    assert budget.held == 0


def test_no_more_is_taken_and_computed_than_there_is_room_for():
    budget, threads, most = ByteBudget(100), 3, 0
    taken = []

    def items():
        for _ in range(40):
            taken.append(1)
            yield 20

    for index, _ in enumerate(doubled(items(), budget, threads, ahead=40)):
        time.sleep(0.002)  # threads go on as far as they may
        most = max(most, budget.held)
        assert len(taken) - index <= 100 / 20 + 1
    assert most <= 100 + threads * 40


def test_large_results_of_small_items_wait_for_their_consumer():
    budget, made = ByteBudget(100), []

    def large(item):
        made.append(item)
        return -100

    results = prefetch.ordered_map(large, [1] * 20, threads=2, ahead=20, name="test", held=held(budget))
    for index, _ in enumerate(results):
        time.sleep(0.005)
        assert len(made) - (index + 1) <= 3  # the next, and what each thread had begun


def test_maps_that_share_a_budget_all_come_to_their_end():
    budget, found = ByteBudget(50), {}

    def read(name):
        found[name] = list(doubled([40] * 25, budget))

    readers = [threading.Thread(target=read, args=(name,)) for name in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert found == {name: [-80] * 25 for name in range(6)}
    assert budget.held == 0


def test_a_map_goes_on_while_another_one_holds_all():
    budget = ByteBudget(10)
    other = doubled([40] * 9, budget)
    next(other)
    assert list(doubled([40] * 9, budget)) == [-80] * 9
    assert list(other) == [-80] * 8


@pytest.mark.parametrize("stop", ["closed", "failed"])
def test_who_stops_gives_back_what_it_held(stop):
    budget = ByteBudget(1000)

    def items():
        yield from [100] * 6
        if stop == "failed":
            raise OSError("gone")
        yield from [100] * 6

    results = doubled(items(), budget, ahead=9)
    next(results)
    if stop == "closed":
        results.close()
    else:
        with pytest.raises(OSError, match="gone"):
            list(results)
    assert budget.held == 0


def test_threads_that_wait_end_when_nobody_listens():
    budget = ByteBudget(1)
    budget.add(5)
    made = []
    results = prefetch.ordered_map(made.append, range(9), threads=4, ahead=9, name="waits", held=Held(abs, id, budget))
    results.close()
    results = prefetch.ordered_map(lambda i: -i, range(9), threads=4, ahead=9, name="waits", held=held(budget))
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dicebeam-waits")]
    assert budget.held == 5
