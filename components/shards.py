"""FindShards: globs to the shards that are still to be scored, and those that an earlier attempt committed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from components import filesystems, prefetch, run_files
from schemas.errors import ConfigError, ReportError
from schemas.records import Shard

FOOTER_THREADS = 16
"""Reading a footer is waiting, most of all on remote storage."""


def find(patterns: Sequence[str]) -> list[Shard]:
    """Every file that matches, once, sorted by path.

    Raises:
        ConfigError: if a pattern matches nothing: a shard that is not there must not go unnoticed.
    """
    found: dict[str, Shard] = {}
    for pattern in patterns:
        matched = filesystems.match(pattern)
        if not matched:
            msg = f"examples: no file matches {pattern!r} (looked for {filesystems.absolute(pattern)})"
            raise ConfigError(msg)
        found.update((shard.path, shard) for shard in matched)
    return [found[path] for path in sorted(found)]


def split(found: Sequence[Shard], run: run_files.Run) -> tuple[list[Shard], list[str]]:
    """Shards that have no sample file yet, and the paths of the sample files that are there.

    Raises:
        ReportError: if the run has a sample file of a shard that is not among those found, or that has another
            size now than when it was scored.
    """
    names = {run_files.file_name(shard.path): shard for shard in found}
    files = run_files.sample_files(run)
    strangers = sorted(set(files) - set(names))
    if strangers:
        msg = (
            f"run {run.run_id!r} has scored {len(strangers)} shards that `examples` does not match, such as "
            f"{files[strangers[0]].path}; use another --run-id, or the examples it was begun with"
        )
        raise ReportError(msg)
    _check_unchanged(files, names)
    missing = [shard for name, shard in names.items() if name not in files]
    return missing, [shard.path for shard in files.values()]


def _check_unchanged(files: Mapping[str, Shard], shards: Mapping[str, Shard]) -> None:
    paths = [shard.path for shard in files.values()]
    records = prefetch.ordered_map(run_files.read_shard_record, paths, threads=FOOTER_THREADS, ahead=4 * FOOTER_THREADS)
    for (name, file), record in zip(files.items(), records, strict=True):
        if record.size_bytes != shards[name].size_bytes:
            msg = (
                f"{record.shard} had {record.size_bytes} bytes when it was scored and has {shards[name].size_bytes} "
                f"now; use another --run-id, or delete {file.path} to score it again"
            )
            raise ReportError(msg)


class Found(NamedTuple):
    """What FindShards gives: shards to score, paths of committed files, and the number of both."""

    missing: beam.PCollection[Shard]
    committed: beam.PCollection[str]
    count: beam.PCollection[int]


class _FindShards(beam.DoFn):
    def __init__(self, run: run_files.Run) -> None:
        self._run = run

    def process(
        self, patterns: tuple[str, ...]
    ) -> Iterator[Shard | TaggedOutput[Literal["committed"], str] | TaggedOutput[Literal["count"], int]]:
        missing, committed = split(find(patterns), self._run)
        yield from missing
        for path in committed:
            yield TaggedOutput("committed", path)
        yield TaggedOutput("count", len(missing) + len(committed))


class FindShards(beam.PTransform):
    """Begin of the pipeline: match the examples on a worker, so that the graph does not grow with them."""

    def __init__(self, patterns: Sequence[str], run: run_files.Run) -> None:
        super().__init__()
        self._patterns, self._run = tuple(patterns), run

    @no_annotations  # Beam reads no type from several collections
    def expand(self, begin: beam.Pipeline) -> Found:
        """Match once; one element, so one listing."""
        outputs = (
            begin
            | "Patterns" >> beam.Create([self._patterns], reshuffle=False)
            | "Match" >> beam.ParDo(_FindShards(self._run)).with_outputs("committed", "count", main="missing")
        )
        return Found(outputs.missing, outputs.committed, outputs.count)
