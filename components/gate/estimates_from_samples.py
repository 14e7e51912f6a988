"""The estimates of a run from its sample files: on the samples that another run has too, or in slices of its own.

Sample files are read one at a time. Ids are held as 64-bit hashes, 8 bytes a sample of each run.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...schemas.slices import ALL
from ..runs import run_files
from ..runs.run_files import Run
from ..samples import sample_blocks, whole_samples
from ..samples.sample_blocks import ReadBlock
from ..statistics import digest
from ..statistics.hashing import id_hashes
from ..statistics.slicing import SliceSpec
from ..summary import slice_rows
from ..summary.slice_rows import ClassSettings
from ..summary.slice_state import BootstrapSettings, SliceState
from . import estimates
from .estimates import Estimates

Ids = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class EstimateSettings:
    """What is measured; `wanted` says which slices, by name. `specs` has that of `all`, as no features."""

    classes: ClassSettings
    specs: tuple[SliceSpec, ...]
    bootstrap: BootstrapSettings
    cluster: str | None
    wanted: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class EstimatesOfSamples:
    """The groups of a run, how many samples they are of, and the digests of what is true in these and of their rows."""

    groups: Estimates
    samples: int
    data: str
    rows: str


def ids_of(run: Run, n_classes: int) -> Ids:
    """Hashes of the ids of a run's samples, sorted."""
    parts = [_ids_in(path, n_classes) for path in run_files.sample_paths(run)]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def _ids_in(path: str, n_classes: int) -> Ids:
    parts = [
        id_hashes(rows["sample_id"].take(whole_samples.firsts(rows, n_classes)).cast(pa.binary()).to_pylist())
        for rows in whole_samples.read(path, n_classes, ["sample_id"])
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def estimate(run: Run, settings: EstimateSettings, common: Ids | None = None) -> EstimatesOfSamples:
    """The groups of a run.

    Args:
        run: whose committed sample files are read.
        settings: what is measured.
        common: sorted hashes of the ids that count; None for all of them.
    """
    columns = tuple(dict.fromkeys(part.column for spec in settings.specs for part in spec))
    states: dict[str, SliceState] = {}
    data: list[str] = []
    rows: list[str] = []
    samples = 0
    for path in run_files.sample_paths(run):
        for whole in sample_blocks.read_blocks(path, columns, settings.cluster, len(settings.classes.ids)):
            block = whole if common is None else _part(whole, common)
            if len(block.ids):
                samples += len(block.ids)
                for digests, of in ((data, digest.of_data), (rows, digest.of_rows)):
                    digests.append(of(block.ids, block.samples.sums, settings.classes.ids))
                _add(states, block, settings)
    return EstimatesOfSamples(_groups(states, settings), samples, digest.add(data), digest.add(rows))


def _part(block: ReadBlock, common: Ids) -> ReadBlock:
    places = np.minimum(np.searchsorted(common, block.ids), max(len(common) - 1, 0))
    kept = np.flatnonzero(common[places] == block.ids) if len(common) else np.empty(0, np.intp)
    index = pa.array(kept)
    columns = {name: pc.take(text, index) for name, text in block.columns.items()}
    return ReadBlock(block.samples.part(kept), block.ids[kept], columns)


def _add(states: dict[str, SliceState], block: ReadBlock, settings: EstimateSettings) -> None:
    for spec in settings.specs:
        for name, part in sample_blocks.sliced(block, spec):
            if settings.wanted(name):
                states.setdefault(name, SliceState()).take([part], settings.bootstrap)


def _groups(states: dict[str, SliceState], settings: EstimateSettings) -> Estimates:
    found: dict[tuple[str, int | None], estimates.Group] = {}
    for name, state in sorted(states.items(), key=lambda item: (item[0] != ALL, item[0])):
        state.fold(settings.bootstrap)
        if state.folded is not None:
            rows = slice_rows.slice_tables(name, state.folded, settings.classes, keep_replicates=True)
            foreground = [settings.classes.ids[place] for place in settings.classes.foreground]
            drawn = rows.replicates if settings.bootstrap.replicates else None
            found |= estimates.of_tables(rows.classes, rows.slices, drawn, foreground)
    return found


def common_ids(sets: Iterable[Ids]) -> Ids:
    """The sorted ids that all of some sorted sets have."""
    first, *others = sets
    for other in others:
        first = np.intersect1d(first, other, assume_unique=True)
    return first
