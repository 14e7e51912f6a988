"""What `dicebeam analyze` found in the data of a run, read back to be held against another run's."""

from typing import Any

from ...schemas.errors import TablesError
from ...schemas.slices import ALL
from ..runs import accounting, analysis_files, run_tables
from ..runs.run_files import Run
from ..runs.run_tables import FinishedRun
from .drift_checks import Channel, ClassCount, Dataset


def read(past: FinishedRun) -> Dataset | None:
    """The data of a run; None where they were not analyzed, or not to the end.

    Raises:
        TablesError: if a table of the analysis is gone.
    """
    place = analysis_files.find(past.run.output, past.run_id)
    if place is None:
        return None
    (row,) = run_tables.read(place, "datasets").to_pylist()
    channels = run_tables.read(place, "dataset_channels").to_pylist()
    classes = run_tables.read(place, "dataset_classes").to_pylist()
    of_all = next(iter(run_tables.read(place, "dataset_slices", [ALL]).to_pylist()), None)
    if of_all is None or not classes:
        gone = place.folder("dataset_slices" if of_all is None else "dataset_classes")
        again = f"delete {place.folder('datasets')}, and analyze again"
        msg = f"expected the tables of an analysis, but {gone} has none; {again}"
        raise TablesError(msg)
    return Dataset(
        samples=of_all["n_samples"],
        pixels=of_all["pixels"] - of_all["ignored_pixels"],
        channels={row["channel"]: Channel(row["mean"], row["std"]) for row in channels},
        classes={row["class_name"]: ClassCount(row["class_id"], row["pixels"], row["samples"]) for row in classes},
        unsound=unsound(row, past.row, every_class=_scored(past.run) == len(classes)),
    )


def _scored(run: Run) -> int:
    """How many classes a run has scored: of a model with one sigmoid channel not all."""
    return len(run_tables.read(run, "classes", [ALL]))


def unsound(dataset: dict[str, Any], run: dict[str, Any], *, every_class: bool) -> str | None:
    """Why the numbers are not those of all data of the run; None where nothing says so.

    Args:
        dataset: the row of `datasets`.
        run: that of `runs`.
        every_class: whether the run has scored every class; else the two fingerprints are of other rows.
    """
    if dataset["status"] != accounting.DONE:
        why = accounting.why_invalid(dataset)
        return f"the status of its analysis is {dataset['status']}: {why}"
    if dataset["records"] != run["records"]:
        return (
            f"{dataset['records']:,} records were analyzed, and {run['records']:,} evaluated: other data; analyze again"
        )
    whole = dataset["analyzed"] == run["scored"] == run["records"]
    fingerprints = {dataset["data_fingerprint"], run["data_fingerprint"]}
    if every_class and whole and None not in fingerprints and len(fingerprints) > 1:
        return "the masks that were analyzed are not those that were evaluated; analyze again"
    return None
