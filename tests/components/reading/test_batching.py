"""Batches of one shard: complete, pure, bounded, and in an order that only the shard decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.reading import batching
from dicebeam.components.reading.batching import PENDING_BATCHES, batches
from dicebeam.schemas.records import Failure, Lineage, Record, Sample
from dicebeam.schemas.shards import Shard

SHARD = Shard("s", 1000)
RECORD_BYTES = 10


def decoded(kinds):
    """What the decoder gives for records of these buckets; `!` is a failure, `?` a record that cannot be read."""
    for index, kind in enumerate(kinds):
        lineage = Lineage("s", index, index * RECORD_BYTES)
        record = Record(lineage, b"", (index + 1) * RECORD_BYTES)
        failure = Failure(lineage, None, "mask", "SampleError", "no")
        if kind == "?":
            yield failure, failure
        elif kind == "!":
            yield record, failure
        else:
            yield record, Sample(lineage, f"{index}", (), b"", np.zeros((1, 1)), None, (kind,))


def made(kinds, batch_size):
    return list(batches(SHARD, decoded(kinds), batch_size))


def rows(batch):
    return [s.lineage.record for s in batch.samples], [f.lineage.record for f in batch.failures]


any_shard = given(kinds=st.lists(st.sampled_from("aaabc!?"), max_size=120), size=st.integers(1, 6))


@any_shard
def test_every_record_is_in_exactly_one_batch(kinds, size):
    samples, failures = [], []
    for batch in made(kinds, size):
        more, failed = rows(batch)
        samples += more
        failures += failed
    assert sorted(samples) == [i for i, k in enumerate(kinds) if k not in "!?"]
    assert sorted(failures) == [i for i, k in enumerate(kinds) if k in "!?"]


@any_shard
def test_a_batch_has_one_bucket_and_at_most_batch_size_samples(kinds, size):
    for batch in made(kinds, size):
        assert len(batch) <= size
        assert len({s.bucket for s in batch.samples}) <= 1
        assert len(batch.failures) <= size
        records, _ = rows(batch)
        assert records == sorted(records)


@any_shard
def test_batches_are_numbered_and_only_the_last_is_done(kinds, size):
    found = made(kinds, size)
    assert [b.index for b in found] == list(range(len(found)))
    assert [b.progress.done for b in found] == [False] * (len(found) - 1) + [True]
    assert all(b.shard == SHARD for b in found)


@any_shard
def test_no_later_batch_holds_a_record_before_oldest_pending(kinds, size):
    found = made(kinds, size)
    for i, batch in enumerate(found):
        later = [s.lineage.record for b in found[i + 1 :] for s in b.samples]
        assert all(record >= batch.progress.oldest_pending for record in later)
    assert found[-1].progress.oldest_pending == len(kinds)


@any_shard
def test_no_sample_waits_longer_than_promised(kinds, size):
    for batch in made(kinds, size):
        assert batch.progress.records - batch.progress.oldest_pending <= PENDING_BATCHES * size + 1
        records, _ = rows(batch)
        assert all(batch.progress.records - record <= PENDING_BATCHES * size + 1 for record in records)


@settings(max_examples=30)
@given(kinds=st.lists(st.sampled_from("abcdefgh!"), min_size=50, max_size=300), size=st.integers(1, 3))
def test_what_is_held_in_memory_is_bounded(kinds, size):
    taken, given_out = 0, 0

    def counted():
        nonlocal taken
        for item in decoded(kinds):
            taken += 1
            yield item

    for batch in batches(SHARD, counted(), size):
        given_out += len(batch.samples) + len(batch.failures)
        assert taken - given_out <= PENDING_BATCHES * size + size + 1


@any_shard
def test_progress_never_runs_ahead_of_what_was_read(kinds, size):
    read = [b.progress.records for b in made(kinds, size)]
    assert read == sorted(read)
    assert read[-1] == len(kinds)


def test_full_batches_of_one_shape():
    assert [rows(b)[0] for b in made("aaaaa", 2)] == [[0, 1], [2, 3], [4]]


def test_two_shapes_wait_for_their_own():
    assert [rows(b)[0] for b in made("abab", 2)] == [[0, 2], [1, 3], []]


def test_an_empty_shard_has_one_empty_batch():
    (batch,) = made("", 4)
    assert rows(batch) == ([], [])
    assert batch.progress.done
    assert batch.progress.records == 0


def test_a_full_last_batch_is_followed_by_an_empty_one():
    assert [rows(b)[0] for b in made("aa", 2)] == [[0, 1], []]


def test_failures_go_with_the_next_batch():
    assert [rows(b) for b in made("a!a", 2)] == [([0, 2], [1]), ([], [])]


def test_many_failures_do_not_wait_for_a_sample():
    assert [rows(b) for b in made("!!!!!", 2)] == [([], [0, 1]), ([], [2, 3]), ([], [4])]


@pytest.mark.parametrize("size", [2, 3])
def test_a_lonely_shape_is_overdue_after_eight_batches(size):
    found = made("b" + "a" * 100, size)
    alone = next(b for b in found if b.samples and b.samples[0].bucket == ("b",))
    assert alone.progress.records == PENDING_BATCHES * size + 1


def test_bytes_are_where_the_next_record_begins():
    assert [b.progress.byte_offset for b in made("aaa", 2)] == [20, 30]


def test_a_record_that_cannot_be_read_counts_as_its_offset():
    assert made("a?", 2)[-1].progress.byte_offset == 10


def test_big_samples_do_not_wait_for_company(monkeypatch):
    """Each mask here has 8 bytes and a shape of its own."""
    monkeypatch.setattr(batching, "PENDING_BYTES", 20)
    waiting, most = 0, 0
    for batch in batches(SHARD, decoded([str(i) for i in range(30)]), 16):
        most = max(most, batch.progress.records - waiting)
        waiting += len(batch)
    assert waiting == 30
    assert most == 3


def test_bytes_that_have_left_are_not_counted_again(monkeypatch):
    monkeypatch.setattr(batching, "PENDING_BYTES", 40)
    assert [len(batch) for batch in batches(SHARD, decoded("a" * 12), 4)] == [4, 4, 4, 0]
