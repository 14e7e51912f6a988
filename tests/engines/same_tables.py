"""The tables of a run, held against those of another."""

import pandas as pd

from dicebeam.pipeline.runner.run import Outcome
from tests.support.evaluating import table

TABLES = ("samples", "classes", "slices", "histograms", "replicates", "failures")
OF_THE_ATTEMPT = {"started", "finished", "seconds", "samples_per_second", "config", "runner"}


def tables_of(outcome: Outcome) -> dict[str, pd.DataFrame]:
    frames = {name: table(outcome, name) for name in TABLES}
    counts = {key: value for key, value in outcome.row.items() if key not in OF_THE_ATTEMPT}
    return {**frames, "runs": pd.DataFrame([counts])}


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    """Rows, integers and texts are equal, doubles to 1e-12."""
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame, check_exact=False, rtol=1e-12, atol=1e-15, obj=name)
        for column in frame.select_dtypes(include=["integer", "bool"]):
            assert (found[name][column] == frame[column]).all(), (name, column)
