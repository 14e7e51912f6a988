"""What the workers of this process have done so far."""

import threading

import pytest

from components import tally


@pytest.fixture(autouse=True)
def _fresh():
    tally.reset()


def test_it_begins_empty():
    assert tally.snapshot() == tally.Tally(0, 0, 0, {})


def test_batches_add_up_and_bytes_are_the_latest():
    tally.add("a", 10, 2, 1)
    tally.add("a", 20, 3, 0)
    tally.add("b", 5, 1, 0)
    assert tally.snapshot() == tally.Tally(6, 1, 0, {"a": 20, "b": 5})


def test_a_finished_shard_has_been_read_whole():
    tally.add("a.gz", 1000, 2, 0)
    tally.finish("a.gz", 300)
    assert tally.snapshot() == tally.Tally(2, 0, 1, {"a.gz": 300})


def test_a_snapshot_does_not_move():
    before = tally.snapshot()
    tally.add("a", 1, 1, 1)
    assert before == tally.Tally()


def test_reset_begins_again():
    tally.add("a", 1, 1, 1)
    tally.reset()
    assert tally.snapshot() == tally.Tally()


def test_threads_lose_nothing():
    def work(name):
        for i in range(500):
            tally.add(name, i, 1, 2)
        tally.finish(name, 500)

    threads = [threading.Thread(target=work, args=(f"s{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = tally.snapshot()
    assert (now.scored, now.failed, now.units_done) == (2000, 4000, 4)
