"""Names of ranges, and whether the ranges of a shard are all of it."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.runs import accounting, run_files, shard_ranges
from dicebeam.components.runs.shard_ranges import Span
from dicebeam.schemas.accounting import Committed
from dicebeam.schemas.shards import ByteRange

HOSTILE = ["a\nb", "../x", "n" * 255, "é😀\u202e", "a-" + "0" * 32 + ".parquet", "a=b", "x.tfrecord"]


def committed(start, end, first, records, size=100, shard="/d/a"):
    return Committed(shard, "p", records, records, 0, size_bytes=size, range=ByteRange(start, end, first, 30))


TILED = [committed(0, 40, 0, 4), committed(40, 70, 4, 3), committed(70, 100, 7, 5)]
WHOLE = Committed("/d/b", "p", 5, 5, 0, size_bytes=10)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_ranges_are_short_and_say_their_bytes(name):
    path, part = f"/d/{name}", ByteRange(268435501, 536870912, 40, 1)
    found = run_files.file_name(path, part)
    assert len(found) <= 121
    assert found.isascii()
    assert found.endswith(".00000268435501-00000536870912.parquet")
    assert shard_ranges.of_name(found) == (run_files.path_hash(path), Span(268435501, 536870912, found))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_whole_shard_is_that_of_no_range(name):
    found = run_files.file_name(f"/d/{name}")
    assert shard_ranges.of_name(found) == (run_files.path_hash(f"/d/{name}"), Span(0, None, found))


@pytest.mark.parametrize("name", ["a.parquet", "part-0.parquet", run_files.compacted_name(["a", "b"]), ""])
def test_other_names(name):
    assert shard_ranges.of_name(name) is None


def test_names_sort_as_the_bytes_do():
    starts = [0, 5, 40, 300, 10**9, 10**13]
    names = [run_files.file_name("/d/a", ByteRange(a, b, 0, 1)) for a, b in itertools.pairwise(starts)]
    assert names == sorted(names)


def test_the_name_of_a_merged_file_tells_ranges_from_their_shard():
    parts = [["/d/a"], ["/d/a", "/d/b"], ["/d/a\x000-40", "/d/b"], ["/d/a\x000-41", "/d/b"]]
    assert len({run_files.compacted_name(names) for names in parts}) == 4


@pytest.mark.parametrize(
    ("spans", "missing"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(0, None)], []),
        ([(0, 4), (6, 10)], [(4, 6)]),
        ([(6, 10), (4, 6)], [(0, 4)]),
        ([(0, 4), (4, 6)], [(6, 10)]),
    ],
)
def test_gaps(spans, missing):
    assert shard_ranges.gaps([Span(*span, "x") for span in spans], 10) == missing


@pytest.mark.parametrize(
    ("spans", "shared"),
    [
        ([(0, 4), (4, 10)], False),
        ([(4, 10), (0, 4)], False),
        ([(0, 5), (4, 10)], True),
        ([(0, None), (4, 10)], True),
        ([(0, 10), (0, 10)], True),
        ([(0, None)], False),
    ],
)
def test_overlaps(spans, shared):
    assert bool(shard_ranges.overlap([Span(*span, "x") for span in spans], 10)) == shared


def test_a_whole_file_of_no_bytes_overlaps_a_range_of_it():
    assert shard_ranges.overlap([Span(0, None, "x"), Span(0, 0, "y")], 0)


def test_shards_that_are_whole_are_counted():
    assert shard_ranges.count_whole([*TILED[::-1], WHOLE]) == 2


broken = pytest.mark.parametrize(
    "pieces",
    [
        TILED[1:],
        TILED[:-1],
        [TILED[0], TILED[2]],
        [*TILED, TILED[1]],
        [TILED[0], committed(40, 70, 4, 2), TILED[2]],
        [TILED[0], committed(41, 70, 4, 3), TILED[2]],
        [TILED[0], committed(40, 70, 5, 2), TILED[2]],
        [TILED[1]],
        [TILED[0], committed(40, 70, 4, 3, shard="/d/c"), TILED[2]],
    ],
    ids=["first", "last", "middle", "twice", "records", "bytes", "first record", "alone", "of another shard"],
)


@broken
def test_a_shard_with_a_missing_or_a_strange_range_is_not_whole(pieces):
    assert shard_ranges.count_whole(pieces) == 0


@broken
def test_the_accounting_notices_it(pieces):
    assert accounting.add_totals(map(accounting.totals_of, [*pieces, WHOLE])).seams != 0


def test_the_accounting_of_whole_shards_whatever_the_order():
    pieces = [*TILED, WHOLE, *(committed(0, 50, 0, 1, shard="/d/z"), committed(50, 100, 1, 1, shard="/d/z"))]
    for seed in range(5):
        totals = accounting.add_totals(map(accounting.totals_of, random.Random(seed).sample(pieces, len(pieces))))  # noqa: S311
        assert (totals.shards, totals.records, totals.seams) == (3, 19, 0)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=8), st.data())
def test_the_sum_is_zero_only_where_nothing_is_missing(parts, data):
    size, byte, record, pieces = sum(length for length, _ in parts), 0, 0, []
    for length, records in parts:
        pieces.append(committed(byte, byte + length, record, records, size))
        byte, record = byte + length, record + records
    assert sum(map(shard_ranges.seam, pieces)) == 0
    kept = [piece for piece in pieces if data.draw(st.booleans())]
    if 0 < len(kept) < len(pieces):
        assert sum(map(shard_ranges.seam, kept)) != 0
        assert shard_ranges.count_whole(kept) == 0
