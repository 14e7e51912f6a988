"""FindShards: globs to the shards that are still to be scored, and those that an earlier attempt committed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from ...schemas.errors import ConfigError, StorageError, TablesError
from ...schemas.files import StoredFile
from ...schemas.shards import ByteRange, OpenShard, Shard, ShardRange, Unit
from ..runs import run_files, runs_row, shard_ranges
from ..runtime import prefetch
from ..storage import filesystems, local_files, versions
from . import shard_content

if TYPE_CHECKING:
    from ...schemas.files import StoredFile

_READERS = 8


class Examples(NamedTuple):
    """Shards, sorted by path, and how many other names of theirs, or of folders of theirs, were left out."""

    shards: list[Shard]
    left_out: int


def look(patterns: Sequence[str]) -> Examples:
    """Every file that matches, once, whatever links lead to it; a file is what it is on the disk.

    Raises:
        ConfigError: if a pattern matches nothing: a shard that is not there must not go unnoticed. Or if a path
            is not UTF-8: no table could name its records.
        StorageError: if something that matches cannot be reached or not be read.
    """
    matched: dict[str, StoredFile] = {}
    folders: list[str] = []
    for pattern in patterns:
        found = filesystems.match(pattern, left_out=folders)
        if not found:
            msg = f"examples: no file matches {pattern!r} (looked for {filesystems.absolute(pattern)})"
            raise ConfigError(msg)
        matched.update((file.path, file) for file in found)
    _check_names(matched)
    remote = [file for file in matched.values() if filesystems.is_remote(file.path)]
    local = local_files.one_name_each([file for file in matched.values() if not filesystems.is_remote(file.path)])
    _check_readable(local)
    found = sorted(remote + local, key=lambda file: file.path)
    shards = [Shard(file.path, file.size_bytes, file.version) for file in found]
    return Examples(shards, len(matched) - len(shards) + len(set(folders)))


def find(patterns: Sequence[str]) -> list[Shard]:
    """The shards alone of `look`."""
    return look(patterns).shards


def _check_readable(files: "Sequence[StoredFile]") -> None:
    refused = local_files.unreadable(file.path for file in files)
    if refused:
        more = f", nor can {len(refused) - 1:,} more" if refused[1:] else ""
        msg = f"the shard {refused[0]} cannot be read{more}: fix the permissions, or leave it out of examples"
        raise StorageError(msg)


def _check_names(paths: Iterable[str]) -> None:
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError as error:
            msg = f"examples: expected names in UTF-8, but got {os.fsencode(path)!r}; rename the file"
            raise ConfigError(msg) from error


def listing(found: Sequence[Shard]) -> str:
    """Names a set of shards: their number, their bytes, and a hash of every path, size and time or generation."""
    lines = "".join(f"{each.path}\0{each.size_bytes}\0{versions.lasting(each.version)}\n" for each in found)
    digest = hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{len(found):,} shards of {sum(shard.size_bytes for shard in found):,} bytes ({digest})"


def find_planned(patterns: Sequence[str], planned: str) -> list[Shard]:
    """The shards that the plan was made for.

    Raises:
        StorageError: if the listing is another one now: a shard that vanishes must not go unnoticed.
    """
    found = find(patterns)
    if (now := listing(found)) != planned:
        msg = (
            f"the examples have changed since the run was planned: expected {planned}, but there are {now} now; run "
            "again, and what is missing is named"
        )
        raise StorageError(msg)
    return found


def split(found: Sequence[Shard], run: run_files.Run, *, more: bool = True) -> tuple[list[Shard], list[str]]:
    """Shards that are not scored whole yet, and the paths of the sample files that are there.

    Args:
        found: all shards of the run.
        run: that was begun.
        more: whether shards may be scored beside those that are. Then each of those must still have the bytes that it
            was scored with: where a shard was written anew since, with as many bytes, its records are read again.

    Raises:
        TablesError: if the run has a sample file of a shard that is not among those found, or that is another one now
            than when it was scored, or two of the same bytes.
    """
    samples = run_files.list_samples(run)
    paths = [file.path for file in samples.files.values()]
    by_hash = {run_files.path_hash(shard.path): shard for shard in found}
    spans, strangers = _spans(samples.holders, by_hash)
    if strangers:
        msg = (
            f"run {run.run_id!r} has scored {len(strangers)} shards that `examples` does not match, such as "
            f"{samples.files[samples.holders[strangers[0]]].path}; use another --run-id, or the examples it was "
            "begun with"
        )
        raise TablesError(msg)
    _check_unchanged(paths, by_hash, contents=more)
    for key, held in spans.items():
        if clash := shard_ranges.overlap(held, by_hash[key].size_bytes):
            names = [samples.holders[span.file_name] for span in clash]
            msg = (
                f"{samples.files[names[0]].path} and {names[1]} beside it hold the same bytes of "
                f"{by_hash[key].path}; delete one, and evaluate again"
            )
            raise TablesError(msg)
    return [shard for key, shard in by_hash.items() if not _whole(spans.get(key), shard)], paths


def _spans(names: Iterable[str], by_hash: Mapping[str, Shard]) -> tuple[dict[str, list[shard_ranges.Span]], list[str]]:
    """What of each shard is held, by the hash of its path; and the names that are of no shard of these, by shard."""
    spans: dict[str, list[shard_ranges.Span]] = {}
    strangers: dict[str, str] = {}
    for name in sorted(names):
        key, span = shard_ranges.of_name(name) or (name, None)
        if span is None or key not in by_hash:
            strangers.setdefault(key, name)
        else:
            spans.setdefault(key, []).append(span)
    return spans, list(strangers.values())


def _whole(spans: Sequence[shard_ranges.Span] | None, shard: Shard) -> bool:
    return bool(spans) and not shard_ranges.gaps(spans or (), shard.size_bytes)


def _check_unchanged(paths: Sequence[str], by_hash: Mapping[str, Shard], *, contents: bool) -> None:
    written_anew: list[tuple[str, Unit, str | None]] = []
    for path, records in run_files.read_all(paths):
        for record in records:
            shard = by_hash[run_files.path_hash(record.shard)]
            if record.size_bytes != shard.size_bytes:
                msg = f"{shard.path} had {record.size_bytes} bytes when it was scored and has {shard.size_bytes} now"
                raise TablesError(f"{msg}; {_otherwise(path)}")
            if contents and not versions.same(record.version or "", shard.version):
                unit = ShardRange(shard, record.range) if record.range else shard
                written_anew.append((path, unit, record.content))
    digests = prefetch.ordered_map(
        _digest, [unit for _, unit, _ in written_anew], threads=_READERS, ahead=_READERS, name="compare"
    )
    for (path, unit, content), now in zip(written_anew, digests, strict=True):
        if content != now:
            msg = f"{unit.name} was written anew since it was scored, with as many bytes and other records"
            raise TablesError(f"{msg}; {_otherwise(path)}")


def _digest(unit: Unit) -> str:
    """The digest of a unit; of a range that no longer ends where records end, the words that say so."""
    try:
        return shard_content.digest(unit)
    except StorageError as error:
        if unit.range is None:
            raise
        return str(error)


def _otherwise(path: str) -> str:
    return f"use another --run-id, or delete {shard_ranges.every(path)} to score it again"


def opened(missing: Sequence[Shard], run: run_files.Run) -> list[OpenShard]:
    """The shards with the ranges of them that are scored; of the files that hold them only footers are read."""
    samples = run_files.list_samples(run)
    spans, _ = _spans(samples.holders, {run_files.path_hash(shard.path): shard for shard in missing})
    paths = {samples.files[samples.holders[span.file_name]].path for held in spans.values() for span in held}
    ranges: dict[str, list[ByteRange]] = {shard.path: [] for shard in missing}
    for _, records in run_files.read_all(sorted(paths)):
        for record in records:
            if record.range is not None and record.shard in ranges:
                ranges[record.shard].append(record.range)
    return [OpenShard(shard, tuple(sorted(ranges[shard.path], key=lambda part: part.start))) for shard in missing]


class Found(NamedTuple):
    """What FindShards gives: shards to score, paths of committed files, and the number of all shards."""

    missing: beam.PCollection[OpenShard]
    committed: beam.PCollection[str]
    count: beam.PCollection[int]


class _FindShards(beam.DoFn):
    def __init__(self, run: run_files.Run, planned: str) -> None:
        self._run, self._planned = run, planned

    def process(
        self, patterns: tuple[str, ...]
    ) -> Iterator[OpenShard | TaggedOutput[Literal["committed"], str] | TaggedOutput[Literal["count"], int]]:
        found = find_planned(patterns, self._planned)
        missing, committed = split(found, self._run)
        if missing:
            runs_row.hide(self._run)  # of an earlier attempt that had fewer shards
        yield from opened(missing, self._run)
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
