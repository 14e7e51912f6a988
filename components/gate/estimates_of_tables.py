"""The groups of a finished run that the gate's checks are about, read from its tables."""

from collections.abc import Sequence

from ...schemas.config.gate import GateConfig
from ..runs import run_tables
from ..runs.run_files import Place
from . import check_items, estimates
from .estimates import Estimates


def read(gate: GateConfig, run: Place, foreground: Sequence[int]) -> Estimates:
    """The groups of the slices that some check is about, and those of all samples for the headline.

    Args:
        gate: with its checks.
        run: whose tables were made with this foreground.
        foreground: ids of the classes in the mean.
    """
    slices = run_tables.read(run, "slices")
    wanted = check_items.wanted(gate, slices["slice"].to_pylist())
    classes = run_tables.read(run, "classes", wanted)
    replicates = run_tables.read(run, "replicates", wanted)
    return estimates.of_tables(classes, slices, replicates, foreground)
