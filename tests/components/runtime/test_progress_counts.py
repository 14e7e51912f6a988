"""What the workers of this process have done so far."""

import threading

import pytest

from dicebeam.components.runtime import progress_counts


@pytest.fixture(autouse=True)
def _fresh():
    progress_counts.reset()


def test_it_begins_empty():
    assert progress_counts.snapshot() == progress_counts.ProgressCounts(0, 0, 0, {})


def test_batches_add_up_and_bytes_are_the_latest():
    progress_counts.add("a", 10, 2, 1)
    progress_counts.add("a", 20, 3, 0)
    progress_counts.add("b", 5, 1, 0)
    assert progress_counts.snapshot() == progress_counts.ProgressCounts(6, 1, 0, {"a": 20, "b": 5})


def test_a_finished_shard_has_been_read_whole():
    progress_counts.add("a.gz", 1000, 2, 0)
    progress_counts.finish("a.gz", 300)
    assert progress_counts.snapshot() == progress_counts.ProgressCounts(2, 0, 1, {"a.gz": 300})


def test_a_snapshot_does_not_move():
    before = progress_counts.snapshot()
    progress_counts.add("a", 1, 1, 1)
    assert before == progress_counts.ProgressCounts()


def test_reset_begins_again():
    progress_counts.add("a", 1, 1, 1)
    progress_counts.reset()
    assert progress_counts.snapshot() == progress_counts.ProgressCounts()


def test_threads_lose_nothing():
    def work(name):
        for i in range(500):
            progress_counts.add(name, i, 1, 2)
        progress_counts.finish(name, 500)

    threads = [threading.Thread(target=work, args=(f"s{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = progress_counts.snapshot()
    assert (now.scored, now.failed, now.units_done) == (2000, 4000, 4)
