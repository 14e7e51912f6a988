"""Where an analysis is; its tables are read by components.run_tables, as those of a run are."""

from ...schemas import datasets
from ..storage import filesystems, storage_errors
from . import runs_row
from .run_files import Run

FILE = runs_row.FILE


def place(output: str, eval_date: str, run_id: str) -> Run:
    """An analysis, as a run that no model and no config for one belongs to."""
    return Run(output, eval_date, run_id, "", "")


def transform_folder(run: Run) -> str:
    """Where the transform graph of an analysis is."""
    return run.folder(datasets.TRANSFORM)


def forget(run: Run) -> None:
    """Take away the row of an analysis, so that it can be made again."""
    path = f"{run.folder('datasets')}/{FILE}"
    with storage_errors.writing(path):
        filesystems.delete(path)


def find(output: str, run_id: str) -> Run | None:
    """The finished analysis of a run id, None where there is none."""
    found = filesystems.below(f"{output.rstrip('/')}/datasets", f"eval_date=*/run_id={run_id}/{FILE}")
    return place(output, found[0].path.split("/")[-3].removeprefix("eval_date="), run_id) if found else None
