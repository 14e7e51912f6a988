"""What was written to sample files comes back, however it is cut into row groups and reads."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs.run_files import Run
from dicebeam.components.samples import sample_blocks, whole_samples
from dicebeam.components.statistics import sample_sums
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.schemas.records import SampleSums
from tests.support.summarizing import random_samples, write_file

SITE_AND_AGE = ("site", "age")


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path), "2026-11-23", "r1", "c", "m")


def read(path, columns=SITE_AND_AGE, cluster=None, n_classes=3):
    return list(sample_blocks.read_blocks(path, columns, cluster, n_classes))


def joined(blocks):
    sums = sample_sums.concatenate([block.samples.sums for block in blocks])
    texts = {name: [t for block in blocks for t in block.columns[name].to_pylist()] for name in blocks[0].columns}
    return sums, np.concatenate([block.ids for block in blocks]), texts


def assert_equal(found, expected):
    for field in dataclasses.fields(SampleSums):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), err_msg=field.name)
        assert getattr(found, field.name).dtype == getattr(expected, field.name).dtype


@pytest.mark.parametrize("rows_a_read", [1, 2, 5, 1 << 19])
@pytest.mark.parametrize("rows_a_group", [1, 4, 7, 9, 1000])
def test_what_was_written_comes_back(run, monkeypatch, rows_a_group, rows_a_read):
    """Whether groups and reads end between samples or within one."""
    monkeypatch.setattr(whole_samples, "ROWS_A_READ", rows_a_read)
    samples = random_samples(11)
    path = write_file(run, "s", samples, rows=rows_a_group)
    assert pq.ParquetFile(path).num_row_groups == -(-33 // rows_a_group)
    blocks = read(path)
    sums, ids, texts = joined(blocks)
    assert_equal(sums, samples.sums)
    np.testing.assert_array_equal(ids, id_hashes(i.encode() for i in samples.ids))
    assert texts == {name: list(values) for name, values in samples.slices.items()}
    assert all(len(block.ids) == len(block.samples) for block in blocks)


def test_no_more_than_a_row_group_is_in_a_block(run):
    assert [len(block.ids) for block in read(write_file(run, "s", random_samples(10), rows=12))] == [4, 4, 2]


def test_one_class(run):
    samples = random_samples(5, n_classes=1)
    (block,) = read(write_file(run, "s", samples), n_classes=1)
    assert_equal(block.samples.sums, samples.sums)


def test_no_rows_are_no_blocks(run):
    assert read(write_file(run, "s", random_samples(0))) == []


def test_no_columns(run):
    (block,) = read(write_file(run, "s", random_samples(2)), columns=())
    assert block.columns == {}


def test_samples_are_resampled_by_their_ids(run):
    (block,) = read(write_file(run, "s", random_samples(6)))
    np.testing.assert_array_equal(block.samples.hashes, block.ids)


def with_sites(*sites):
    samples = random_samples(len(sites))
    return dataclasses.replace(samples, slices={"site": tuple(sites), "age": samples.slices["age"]})


def test_samples_of_a_cluster_share_a_hash_and_those_without_one_have_their_own(run):
    path = write_file(run, "s", with_sites("A", "B", "A", None, None, ""))
    (block,) = read(path, columns=("age",), cluster="site")
    a, b, again, none, other, empty = block.samples.hashes.tolist()
    assert a == again
    assert len({a, b, none, other, empty}) == 5
    assert list(block.columns) == ["age"]
    assert len(set(block.ids.tolist())) == 6


def test_a_cluster_may_be_a_slice_too(run):
    (block,) = read(write_file(run, "s", with_sites("A", "A")), columns=("site",), cluster="site")
    assert block.columns["site"].to_pylist() == ["A", "A"]
    assert len(set(block.samples.hashes.tolist())) == 1


def test_a_sample_is_not_taken_for_a_cluster_that_is_called_like_it(run):
    samples = with_sites(None, "scan-0000")
    (block,) = read(write_file(run, "s", samples), cluster="site")
    assert len(set(block.samples.hashes.tolist())) == 2


def test_a_sample_without_a_cluster_is_the_same_in_every_file(run):
    samples = with_sites("A", None)
    first, second = (read(write_file(run, shard, samples), cluster="site")[0].samples.hashes for shard in ("s", "t"))
    np.testing.assert_array_equal(first, second)


def test_text_that_is_no_ascii(run):
    samples = with_sites("Zürich", "東京/=%")
    (block,) = read(write_file(run, "s", samples))
    assert block.columns["site"].to_pylist() == ["Zürich", "東京/=%"]
