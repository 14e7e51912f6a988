"""Summarize: committed sample files to the rows of every slice, and what they add up to.

A slice is `all`, or one value (or bin) of each of the features of a slice spec, as in `site=A/scanner=2`; a sample
without the feature is in the slice `site=NULL`. `schemas.slices` says how names are written. Files are read in
parts, and a slice of many samples is kept as sums, so memory does not grow with them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations

from ...schemas.accounting import FileSums, RunTotals
from ...schemas.slices import SliceTables
from ..runs import run_files
from ..runs.accounting import add_totals, totals_of
from ..samples import sample_blocks
from ..samples.sample_blocks import ReadBlock
from ..statistics import digest, hashing
from ..statistics.slicing import SliceSpec
from . import slice_batches, slice_rows
from .slice_rows import ClassSettings
from .slice_state import BootstrapSettings, SliceState

HELD_BYTES = 256 << 20
"""States are handed on when they are larger than this; those of one slice meet again in the shuffle."""
SLICES_TOGETHER = 500
"""Slices without replicates whose rows are handed on as one table."""

SliceKey = tuple[int, str]
"""Place of the slice's spec, and its name."""


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """What is summarized.

    slices: specs without that of `all`. cluster: the column of what is resampled, None for the samples.
    keep_slices: specs of at most so many slices have their replicates kept.
    """

    run: run_files.Run
    classes: ClassSettings
    slices: tuple[SliceSpec, ...]
    bootstrap: BootstrapSettings
    cluster: str | None = None
    keep_slices: int = 100

    @property
    def specs(self) -> tuple[SliceSpec, ...]:
        """Every spec, that of `all` first."""
        return ((), *self.slices)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read: of the slices and of the clusters, which say with whom a sample is counted."""
        named = dict.fromkeys(part.column for spec in self.slices for part in spec)
        return tuple(named | ({self.cluster: None} if self.cluster else {}))


def add_block(states: dict[SliceKey, SliceState], block: ReadBlock, settings: SummarySettings) -> int:
    """Let every slice take its samples of a block; returns by how many bytes the states have grown."""
    grown = 0
    for place, spec in enumerate(settings.specs):
        for name, samples in sample_blocks.sliced(block, spec):
            grown += states.setdefault((place, name), SliceState()).take([samples], settings.bootstrap)
    return grown


def add_sums(parts: Iterable[FileSums]) -> FileSums:
    """The sums of all of them; those of no file for none."""
    every = list(parts)
    digests = (digest.add(getattr(part, name) for part in every) for name in ("digest", "data", "slices"))
    return FileSums(add_totals(part.totals for part in every), *digests)


class _ReadSampleFile(beam.DoFn):
    """Adds up the files of a bundle."""

    def __init__(self, settings: SummarySettings) -> None:
        self._settings = settings
        self._states: dict[SliceKey, SliceState] = {}
        self._held = 0

    def start_bundle(self) -> None:
        self._states, self._held = {}, 0

    def process(
        self, path: str
    ) -> Iterator[
        tuple[SliceKey, SliceState]
        | TaggedOutput[Literal["sums"], FileSums]
        | TaggedOutput[Literal["ids"], tuple[int, bytes]]
    ]:
        settings = self._settings
        classes = settings.classes.ids
        totals = add_totals(map(totals_of, run_files.committed(path, settings.run, len(classes))))
        sums = FileSums(totals)
        for block in sample_blocks.read_blocks(path, settings.columns, settings.cluster, len(classes)):
            rows, data = (of(block.ids, block.samples.sums, classes) for of in (digest.of_rows, digest.of_data))
            slices = digest.of_slices(block.ids, block.columns)
            sums = add_sums([sums, FileSums(RunTotals(), rows, data, slices)])
            for bucket in hashing.in_buckets(block.ids):
                yield TaggedOutput("ids", bucket)
            self._held += add_block(self._states, block, settings)
            if self._held > HELD_BYTES:
                yield from self._handed_on()
        yield TaggedOutput("sums", sums)

    def finish_bundle(self) -> Iterator[Any]:
        for item in self._handed_on():
            yield GlobalWindows.windowed_value(item)

    def _handed_on(self) -> Iterator[tuple[SliceKey, SliceState]]:
        states, self._states, self._held = self._states, {}, 0
        yield from states.items()


class _MergeStates(beam.CombineFn):
    def __init__(self, settings: BootstrapSettings) -> None:
        self._settings = settings

    def create_accumulator(self) -> SliceState:
        return SliceState()

    def add_input(self, accumulator: SliceState, state: SliceState) -> SliceState:
        accumulator.merge(state, self._settings)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[SliceState]) -> SliceState:
        merged = SliceState()
        for accumulator in accumulators:
            merged.merge(accumulator, self._settings)
        return merged

    def extract_output(self, accumulator: SliceState) -> SliceState:
        return accumulator


def slice_tables(key: SliceKey, state: SliceState, sizes: dict[int, int], settings: SummarySettings) -> SliceTables:
    """The rows of a slice; sizes are the numbers of slices of each spec."""
    place, name = key
    keep = not settings.specs[place] or sizes[place] <= settings.keep_slices
    # one sample, or cluster, has no interval
    state.fold(settings.bootstrap if keep or state.has_several else replace(settings.bootstrap, replicates=0))
    if state.folded is None:
        raise ValueError(f"expected samples in the slice {name!r}, but got none")
    return slice_rows.slice_tables(name, state.folded, settings.classes, keep_replicates=keep)


def _slice_tables(item: tuple[SliceKey, SliceState], sizes: dict[int, int], settings: SummarySettings) -> SliceTables:
    return slice_tables(*item, sizes, settings)


class _PutTogether(beam.DoFn):
    """Rows of each slice to rows of many, as far as a bundle has them; those with replicates stay alone."""

    def start_bundle(self) -> None:
        self._held: list[SliceTables] = []

    def process(self, tables: SliceTables) -> Iterator[SliceTables]:
        if tables.replicates is not None:
            yield tables
            return
        self._held.append(tables)
        if len(self._held) == SLICES_TOGETHER:
            yield slice_batches.together(self._held)
            self._held = []

    def finish_bundle(self) -> Iterator[Any]:
        if self._held:
            yield GlobalWindows.windowed_value(slice_batches.together(self._held))


class Summary(NamedTuple):
    """What Summarize gives: rows of each slice, what the files add up to (nothing for none), and hashes of all ids."""

    slices: beam.PCollection[SliceTables]
    sums: beam.PCollection[FileSums]
    ids: beam.PCollection[tuple[int, bytes]]


class Summarize(beam.PTransform):
    """Paths of committed sample files to the rows of their slices."""

    def __init__(self, settings: SummarySettings) -> None:
        super().__init__()
        self._settings = settings

    @no_annotations  # Beam reads no type from several collections
    def expand(self, paths: beam.PCollection[str]) -> Summary:
        """Read the files in parallel and add up; what is summed is what is on disk."""
        settings = self._settings
        read = (
            paths
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadSampleFile" >> beam.ParDo(_ReadSampleFile(settings)).with_outputs("sums", "ids", main="states")
        )
        states = read.states | "MergeStates" >> beam.CombinePerKey(_MergeStates(settings.bootstrap))
        sizes = states | "Specs" >> beam.MapTuple(lambda key, _: (key[0], 1)) | "CountSlices" >> beam.CombinePerKey(sum)
        each = states | "SliceTables" >> beam.Map(_slice_tables, beam.pvalue.AsDict(sizes), settings)
        found = each | "PutTogether" >> beam.ParDo(_PutTogether())
        sums = read.sums | "AddSums" >> beam.CombineGlobally(add_sums).without_defaults()
        return Summary(found, sums, read.ids)
