"""Where an analysis is; its tables are read by `run_tables`, as those of a run are."""

from dataclasses import dataclass

from ...schemas import datasets, partitions
from ..storage import filesystems, storage_errors
from . import run_tables, runs_row
from .run_files import Place

FILE = runs_row.FILE


@dataclass(frozen=True, slots=True)
class Analysis(Place):
    """An analysis and its place. No model and no config for one belongs to it, and so no fingerprint."""


def transform_folder(analysis: Analysis) -> str:
    """Where the transform graph of an analysis is."""
    return analysis.folder(datasets.TRANSFORM)


def forget(analysis: Analysis) -> None:
    """Take away the row of an analysis, so that the data can be analyzed again."""
    path = f"{analysis.folder('datasets')}/{FILE}"
    with storage_errors.writing(path):
        filesystems.delete(path)


def newest_first(output: str) -> list[Analysis]:
    """Every finished analysis of an output folder, the one that finished last first."""
    found = []
    for file in filesystems.below(f"{output.rstrip('/')}/datasets", f"eval_date=*/run_id=*/{FILE}"):
        date, run_id = partitions.of_path(file.path)
        place = Analysis(output, date, run_id)
        found += [(row["finished"], run_id, place) for row in run_tables.read(place, "datasets").to_pylist()]
    return [place for *_, place in sorted(found, key=lambda each: each[:2], reverse=True)]


def find(output: str, run_id: str) -> Analysis | None:
    """The finished analysis of a run id, None where there is none.

    Raises:
        TablesError: if there are two, under two dates.
    """
    found = filesystems.below(output, f"datasets/eval_date=*/run_id={run_id}/{FILE}")
    dates = [partitions.of_path(file.path) for file in found]
    partitions.check_one_date(dates, output)
    return Analysis(output, dates[0][0], run_id) if dates else None
