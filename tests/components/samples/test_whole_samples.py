"""Sample files in pieces: every row once, in order, and no piece ends within a sample."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import whole_samples
from dicebeam.schemas import tables


def file_of(path, rows, rows_a_group):
    table = pa.table({"sample": [row // 3 for row in range(rows)], "value": list(range(rows))})
    record = ShardRecord("s", 1, rows // 3, rows // 3, 0, "c", "m")
    table = table.replace_schema_metadata(tables.with_metadata(table.schema, "r1", record.encode()).metadata)
    pq.write_table(table, path, row_group_size=rows_a_group)
    return str(path)


@pytest.mark.parametrize("rows_a_read", [1, 2, 4, 100])
@pytest.mark.parametrize("rows_a_group", [1, 4, 7, 100])
def test_every_row_once_and_samples_whole(tmp_path, rows_a_group, rows_a_read):
    pieces = list(whole_samples.read(file_of(tmp_path / "s.parquet", 33, rows_a_group), 3, None, rows_a_read))
    assert all(piece.num_rows % 3 == 0 for piece in pieces)
    assert [value for piece in pieces for value in piece["value"].to_pylist()] == list(range(33))
    assert len(pieces) > 1 or rows_a_read == rows_a_group == 100


def test_only_the_columns_that_are_wanted(tmp_path):
    (piece,) = whole_samples.read(file_of(tmp_path / "s.parquet", 6, 100), 3, ["value"])
    assert piece.column_names == ["value"]
    assert piece.take(whole_samples.firsts(piece, 3))["value"].to_pylist() == [0, 3]


def test_a_file_without_rows(tmp_path):
    assert list(whole_samples.read(file_of(tmp_path / "s.parquet", 0, 1), 3)) == []
