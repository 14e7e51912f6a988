"""FindShards: globs to the shards that are still to be scored, and those that an earlier attempt committed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from components import filesystems, prefetch, run_files, runs_row
from schemas.errors import ConfigError, ReportError, StorageError
from schemas.records import Shard

FOOTER_THREADS = 16
"""Reading a footer is waiting, most of all on remote storage."""


def find(patterns: Sequence[str]) -> list[Shard]:
    """Every file that matches, once, sorted by path.

    Raises:
        ConfigError: if a pattern matches nothing: a shard that is not there must not go unnoticed. Or if a path
            is not UTF-8: no table could name its records.
    """
    found: dict[str, Shard] = {}
    for pattern in patterns:
        matched = filesystems.match(pattern)
        if not matched:
            msg = f"examples: no file matches {pattern!r} (looked for {filesystems.absolute(pattern)})"
            raise ConfigError(msg)
        found.update((shard.path, shard) for shard in matched)
    _check_names(found)
    return [found[path] for path in sorted(found)]


def _check_names(paths: Iterable[str]) -> None:
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError as error:
            msg = f"examples: expected names in UTF-8, but got {os.fsencode(path)!r}; rename the file"
            raise ConfigError(msg) from error


def listing(found: Sequence[Shard]) -> str:
    """Names a set of shards: their number, their bytes, and a hash of every path and size."""
    lines = "".join(f"{shard.path}\0{shard.size_bytes}\n" for shard in found)
    digest = hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{len(found):,} shards of {sum(shard.size_bytes for shard in found):,} bytes ({digest})"


def find_planned(patterns: Sequence[str], planned: str) -> list[Shard]:
    """The shards that the plan was made for.

    Raises:
        StorageError: if the listing is another one now: a shard that vanishes must not go unnoticed.
    """
    found = find(patterns)
    if (now := listing(found)) != planned:
        msg = f"the examples have changed since the run was planned: expected {planned}, but there are {now} now"
        raise StorageError(msg)
    return found


def split(found: Sequence[Shard], run: run_files.Run) -> tuple[list[Shard], list[str]]:
    """Shards that have no sample file yet, and the paths of the sample files that are there.

    Raises:
        ReportError: if the run has a sample file of a shard that is not among those found, or that has another
            size now than when it was scored.
    """
    names = {run_files.file_name(shard.path): shard for shard in found}
    samples = run_files.list_samples(run)
    paths = [file.path for file in samples.files.values()]
    strangers = sorted(set(samples.holders) - set(names))
    if strangers:
        msg = (
            f"run {run.run_id!r} has scored {len(strangers)} shards that `examples` does not match, such as "
            f"{samples.files[samples.holders[strangers[0]]].path}; use another --run-id, or the examples it was "
            "begun with"
        )
        raise ReportError(msg)
    _check_unchanged(paths, names)
    return [shard for name, shard in names.items() if name not in samples.holders], paths


def _check_unchanged(paths: Sequence[str], shards: Mapping[str, Shard]) -> None:
    read = run_files.read_shard_records
    for path, records in zip(
        paths, prefetch.ordered_map(read, paths, threads=FOOTER_THREADS, ahead=4 * FOOTER_THREADS), strict=True
    ):
        for record in records:
            size = shards[run_files.file_name(record.shard)].size_bytes
            if record.size_bytes != size:
                msg = (
                    f"{record.shard} had {record.size_bytes} bytes when it was scored and has {size} now; use "
                    f"another --run-id, or delete {path} to score it again"
                )
                raise ReportError(msg)


class Found(NamedTuple):
    """What FindShards gives: shards to score, paths of committed files, and the number of all shards."""

    missing: beam.PCollection[Shard]
    committed: beam.PCollection[str]
    count: beam.PCollection[int]


class _FindShards(beam.DoFn):
    def __init__(self, run: run_files.Run, planned: str) -> None:
        self._run, self._planned = run, planned

    def process(
        self, patterns: tuple[str, ...]
    ) -> Iterator[Shard | TaggedOutput[Literal["committed"], str] | TaggedOutput[Literal["count"], int]]:
        found = find_planned(patterns, self._planned)
        missing, committed = split(found, self._run)
        if missing:
            runs_row.hide(self._run)  # of an earlier attempt that had fewer shards
        yield from missing
        for path in committed:
            yield TaggedOutput("committed", path)
        yield TaggedOutput("count", len(found))


class FindShards(beam.PTransform):
    """Begin of the pipeline: match the examples on a worker, so that the graph does not grow with them."""

    def __init__(self, patterns: Sequence[str], planned: str, run: run_files.Run) -> None:
        super().__init__()
        self._patterns, self._planned, self._run = tuple(patterns), planned, run

    @no_annotations  # Beam reads no type from several collections
    def expand(self, begin: beam.Pipeline) -> Found:
        """Match once; one element, so one listing."""
        outputs = (
            begin
            | "Patterns" >> beam.Create([self._patterns], reshuffle=False)
            | "Match"
            >> beam.ParDo(_FindShards(self._run, self._planned)).with_outputs("committed", "count", main="missing")
        )
        return Found(outputs.missing, outputs.committed, outputs.count)
