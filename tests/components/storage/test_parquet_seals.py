"""Files with a seal: every bit of one counts, and what an earlier version wrote is read as it was."""

import io
import re
from contextlib import suppress
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.storage import filesystems, parquet_files, parquet_reading
from dicebeam.schemas import tables
from dicebeam.schemas.errors import DamagedError, StorageError
from tests.support.buckets import Store

ROWS = pa.table({"name": [f"n{i}" for i in range(500)], "class_id": pa.array([i % 3 for i in range(500)], pa.int32())})


def sealed(rows: pa.Table = ROWS, groups: int = 1, run_id: str = "r1") -> bytes:
    file = io.BytesIO()
    schema = tables.with_metadata(rows.schema, run_id)
    with parquet_files.writer(file, schema) as writer:
        for _ in range(groups):
            writer.write_table(rows.replace_schema_metadata(schema.metadata))
        writer.add_key_value_metadata({b"dicebeam.shard": b'{"shard": "x"}'})
    return file.getvalue()


def unsealed(rows: pa.Table = ROWS, run_id: str = "r1") -> bytes:
    file = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({b"dicebeam.run_id": run_id.encode()}), file)
    return file.getvalue()


def put(folder: Path, data: bytes, table: str = "samples", run_id: str = "r1") -> str:
    path = folder / table / "eval_date=2026-11-23" / f"run_id={run_id}" / "part-0.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def read(path: str) -> pa.Table:
    with parquet_reading.opened(path) as file:
        return file.read()


def flipped(data: bytes, place: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


WHOLE = sealed()


def test_a_sealed_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = put(tmp_path, WHOLE)
    assert read(path).equals(ROWS)
    found = parquet_reading.footer(path)
    assert (found.num_rows, found.said[b"dicebeam.shard"]) == (500, b'{"shard": "x"}')
    assert found.schema.names == ROWS.column_names


def test_anyone_can_check_a_seal() -> None:
    start = len(WHOLE) - 8 - int.from_bytes(WHOLE[-8:-4], "little")
    digits = WHOLE.rindex(b"dicebeam.crc32c\x18\x10") + 17
    rest = WHOLE[start : digits + 8] + b"0" * 8 + WHOLE[digits + 16 :]
    found = b"%08x%08x" % (google_crc32c.value(WHOLE[:start]), google_crc32c.value(rest))
    assert WHOLE[digits : digits + 16] == found
    assert pq.ParquetFile(io.BytesIO(WHOLE)).metadata.metadata[b"dicebeam.crc32c"] == found


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_every_bit_counts(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    path = put(tmp_path_factory.mktemp("bit"), flipped(WHOLE, place, bit))
    with pytest.raises(DamagedError, match=rf"^expected `samples` .* in {re.escape(path)}, but it is damaged: "):
        read(path)


def test_every_bit_of_the_footer_counts_where_that_is_read_alone(tmp_path: Path) -> None:
    start = len(WHOLE) - 8 - int.from_bytes(WHOLE[-8:-4], "little")
    for place in range(start, len(WHOLE)):
        path = put(tmp_path, flipped(WHOLE, place, place % 8))
        with pytest.raises(DamagedError, match=re.escape(path)):
            parquet_reading.footer(path)


@pytest.mark.parametrize("size", [0, 3, 8, 12, 100, len(WHOLE) - 1])
def test_a_file_that_was_cut_is_damaged(tmp_path: Path, size: int) -> None:
    path = put(tmp_path, WHOLE[:size])
    for reader in (read, parquet_reading.footer, parquet_reading.check):
        with pytest.raises(DamagedError, match=re.escape(path)):
            reader(path)


def test_zeroed_parts_are_damage(tmp_path: Path) -> None:
    for start in range(0, len(WHOLE), 64):
        path = put(tmp_path, WHOLE[:start] + bytes(64) + WHOLE[start + 64 :])
        with pytest.raises(DamagedError, match=re.escape(path)):
            read(path)


def test_damage_of_a_large_file_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_reading, "IN_MEMORY_BYTES", 100)
    assert read(put(tmp_path, WHOLE)).equals(ROWS)
    with pytest.raises(DamagedError, match="expected rows of the CRC32C"):
        read(put(tmp_path, flipped(WHOLE, 200)))


def test_row_groups_are_sealed_together(tmp_path: Path) -> None:
    path = put(tmp_path, sealed(groups=3))
    with parquet_reading.opened(path) as file:
        assert [batch.num_rows for batch in file.batches(300, ["name"])] == [300, 200] * 3


def test_text_that_looks_like_a_seal_is_none(tmp_path: Path) -> None:
    rows = pa.table({"name": ["dicebeam.crc32c\x18\x100123456789abcdef"] * 3})
    assert read(put(tmp_path, sealed(rows))).equals(rows)


def test_a_file_of_an_earlier_version_is_read_without_a_seal(tmp_path: Path) -> None:
    path = put(tmp_path, unsealed())
    assert read(path).equals(ROWS)
    assert parquet_reading.footer(path).num_rows == 500


def test_whatever_parquet_makes_of_a_file_without_a_seal_is_a_table_or_damage(tmp_path: Path) -> None:
    data = unsealed()
    for place in range(0, len(data), 7):
        path = put(tmp_path, flipped(data, place, place % 8))
        try:
            assert isinstance(read(path), pa.Table)
        except DamagedError as error:
            assert path in str(error)  # noqa: PT017


@pytest.mark.parametrize("data", [sealed(run_id="other"), unsealed(run_id="other")])
def test_a_file_of_another_run_is_named(tmp_path: Path, data: bytes) -> None:
    path = put(tmp_path, data, "classes")
    for reader in (read, parquet_reading.footer):
        message = rf"^expected `classes` of run 'r1' in {re.escape(path)}, but it is that of run 'other'; to write it "
        with pytest.raises(DamagedError, match=message + r"anew: dicebeam summarize CONFIG\.yaml --run-id r1$"):
            reader(path)


def test_a_file_that_names_no_run_is_foreign(tmp_path: Path) -> None:
    file = io.BytesIO()
    pq.write_table(ROWS, file)
    with pytest.raises(DamagedError, match="it is of no run: its metadata names none"):
        read(put(tmp_path, file.getvalue()))


def test_a_file_elsewhere_is_of_no_run(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(WHOLE)
    assert read(f"{tmp_path}/x.parquet").equals(ROWS)


def test_what_the_disk_says_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(f"{tmp_path}/samples/eval_date=2026-11-23/run_id=r1/none.parquet")
    with pytest.raises(StorageError, match="cannot be read: Is a directory; see to the storage"):
        read(str(tmp_path))


def test_an_object_is_fetched_once_and_checked(store: Store) -> None:
    path = f"{store.root}/samples/eval_date=2026-11-23/run_id=r1/part-0.parquet"
    for data in (WHOLE, flipped(WHOLE, 200)):
        with filesystems.committing(path) as file:
            file.write(data)
        if data == WHOLE:
            assert read(path).equals(ROWS)
            assert parquet_reading.footer(path).num_rows == 500
        else:
            with pytest.raises(DamagedError, match=re.escape(path)):
                read(path)


def test_nothing_is_sealed_after_an_error() -> None:
    file = io.BytesIO()
    with suppress(ValueError), parquet_files.writer(file, ROWS.schema) as writer:
        writer.write_table(ROWS)
        raise ValueError
    assert b"dicebeam.crc32c" not in file.getvalue()
