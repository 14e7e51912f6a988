"""Tables of a run changed by a test, with a seal of their own again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dicebeam.components.storage import parquet_files


def rewrite(path: Path | str, rows: pa.Table | None = None, run_id: str | None = None) -> None:
    """Other rows in the file, or those of another run; its metadata stays else."""
    file = pq.ParquetFile(path)
    rows = file.read() if rows is None else rows
    said = {key: value for key, value in file.metadata.metadata.items() if key.startswith(b"dicebeam.")}
    said |= {b"dicebeam.run_id": run_id.encode()} if run_id else {}
    with Path(path).open("wb") as out, parquet_files.writer(out, rows.schema.with_metadata(said)) as writer:
        writer.write_table(rows)
