"""Tables and views that are there to be listed and not to be read: their columns are known, and no file is opened."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from ...schemas import partitions, tables
from ...schemas.errors import DamagedError
from ..storage import filesystems, parquet_reading

PARTITION_KEYS = {"eval_date": "DATE", "run_id": "VARCHAR"}
_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP WITH TIME ZONE",
}

Columns = dict[str, str]
"""DuckDB's type of each column."""


def is_there(root: str, table: str) -> bool:
    """Whether a table has a file; those of the last date are looked for first, so this takes no longer for many."""
    return next(_last_files(root, table), None) is not None


def _last_files(root: str, table: str) -> Iterator[str]:
    """The files of a table, those of the last date first."""
    folder = Path(root, table)
    dates = sorted((path.name for path in folder.iterdir()), reverse=True) if folder.is_dir() else []
    for date in dates:
        files = filesystems.below(f"{folder}/{date}", "*/*.parquet") if not date.startswith(".") else []
        yield from (file.path for file in reversed(files))


def places(root: str, table: str) -> Iterator[tuple[str, str]]:
    """The date and the run id of every folder of a table."""
    for folder in Path(root, table).glob("eval_date=*/run_id=*"):
        yield partitions.of_path(f"{folder}/")


def columns(root: str, table: str) -> Columns:
    """The columns of a table, with the partition keys: by the schema, and those of `samples` by its last file too."""
    if table in tables.FIXED:
        return _of_schema(tables.FIXED[table]) | PARTITION_KEYS
    return _of_last_file(root, table) | _of_schema(tables.samples_schema([])) | PARTITION_KEYS


def _of_last_file(root: str, table: str) -> Columns:
    for path in _last_files(root, table):
        try:
            return _of_schema(parquet_reading.footer(path).schema)
        except DamagedError:
            continue  # whoever asks for its rows is told
    return {}


def _of_schema(fields: Iterable[pa.Field]) -> Columns:
    return {field.name: _TYPES.get(field.type, "VARCHAR") for field in fields}


def make(connection: duckdb.DuckDBPyConnection, name: str, of: Columns) -> None:
    """A view with these columns, which can be listed, and is an error where it is read."""
    selected = ", ".join(f'NULL::{kind} AS "{column.replace(chr(34), 2 * chr(34))}"' for column, kind in of.items())
    why = f"{name} is not opened, because the statement does not name it"
    connection.execute(f"CREATE VIEW {name} AS SELECT {selected} WHERE error('{why}')::BOOLEAN")
