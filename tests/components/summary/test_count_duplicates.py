"""Samples that share an id: counted over files, however the ids are spread, against a plain counter."""

from collections import Counter

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import sample_blocks, sample_rows, whole_samples
from dicebeam.components.statistics import hashing
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.storage import filesystems, parquet_files
from dicebeam.components.summary import count_duplicates
from dicebeam.pipeline.runner.options import pipeline_options
from dicebeam.schemas import tables
from dicebeam.schemas.records import Lineage, SampleKey
from tests.support.builders import sums_of


def write(folder, ids, name):
    """A sample file of samples of these ids, two classes each."""
    keys = [SampleKey(Lineage(name, i, i), sample_id, ()) for i, sample_id in enumerate(ids)]
    counts = np.zeros((len(ids), 2), np.int64)
    table = sample_rows.sample_table(keys, sums_of(counts, counts, counts), (0, 1), ("a", "b"), ())
    path = f"{Run(str(folder), '2026-11-23', 'r1', 'c', 'm').folder('samples')}/{name}"
    schema = tables.with_metadata(table.schema, "r1")
    record = ShardRecord(name, 1, len(ids), len(ids), 0, "c", "m", class_ids=(0, 1))
    with filesystems.committing(path) as file, parquet_files.writer(file, schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(record.encode())
    return path


def repeated(ids):
    """What is meant, by counting."""
    return sum(times for times in Counter(ids).values() if times > 1)


def count(ids):
    buckets = {}
    for bucket, part in hashing.in_buckets(id_hashes(i.encode() for i in ids)):
        buckets.setdefault(bucket, []).append(part)
    return sum(count_duplicates.count_repeated(parts) for parts in buckets.values())


@pytest.mark.parametrize(
    ("ids", "expected"), [([], 0), (["a"], 0), (["a", "b"], 0), (["a", "a"], 2), (["a", "b", "a", "a", "c", "c"], 5)]
)
def test_each_sample_of_a_repeated_id_counts(ids, expected):
    assert count(ids) == expected


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), max_size=60))
def test_any_ids(ids):
    assert count(ids) == repeated(ids)


def test_ten_thousand_ids_fall_into_all_buckets_and_are_different():
    hashes = id_hashes(str(i).encode() for i in range(10_000))
    assert len(np.unique(hashes)) == 10_000
    assert {bucket for bucket, _ in hashing.in_buckets(hashes)} == set(range(hashing.BUCKETS))


def test_the_hash_is_the_same_in_every_process():
    """The numbers are those of `b2sum -l 64`, little-endian."""
    assert id_hashes([b"", "\u00e9".encode()]).tolist() == [13020603013274838756, 3394012004367669963]


@pytest.mark.parametrize("rows_a_read", [1, 3, 1000])
def test_a_sample_counts_once_whatever_its_classes_and_however_the_file_is_read(tmp_path, monkeypatch, rows_a_read):
    monkeypatch.setattr(whole_samples, "ROWS_A_READ", rows_a_read)
    path = write(tmp_path, ["x", "y", "x"], "a.parquet")
    ids = [block.ids for block in sample_blocks.read_blocks(path, (), None, 2)]
    assert np.concatenate(ids).tolist() == id_hashes([b"x", b"y", b"x"]).tolist()


@pytest.mark.parametrize("files", [[["a", "b"]], [["a", "b", "b"], ["c", "a"], [], ["a", "d"]]])
def test_counted_over_files(files):
    parts = [bucket for ids in files for bucket in hashing.in_buckets(id_hashes(i.encode() for i in ids))]
    with beam.Pipeline(options=pipeline_options([])) as pipeline:
        found = pipeline | beam.Create(parts) | count_duplicates.CountDuplicates()
        assert_that(found, equal_to([repeated([sample for ids in files for sample in ids])]))


def test_without_samples_there_is_no_number():
    with beam.Pipeline(options=pipeline_options([])) as pipeline:
        assert_that(pipeline | beam.Create([]) | count_duplicates.CountDuplicates(), equal_to([]))
