"""FindShards: globs to the shards that are still to be scored, and those that an earlier attempt committed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from ...schemas.errors import AccountingError, ConfigError, StorageError, TablesError
from ...schemas.shards import ByteRange, OpenShard, Shard
from ..runs import run_files, runs_row, shard_ranges, unit_failures
from ..runs.shard_records import ShardRecord
from ..storage import filesystems, local_files, versions
from . import scored_shards

if TYPE_CHECKING:
    from ...schemas.files import StoredFile


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


def split(
    found: Sequence[Shard],
    run: run_files.Run,
    said: Mapping[str, Sequence[ShardRecord]] | None = None,
    *,
    more: bool = True,
) -> tuple[list[Shard], list[str]]:
    """Shards that are not scored whole yet, and the paths of the sample files that are there.

    Args:
        found: all shards of the run.
        run: that was begun.
        said: what sample files say, by path, as far as that was read already.
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
    known = said or {}
    scored_shards.check(((path, known[path]) for path in paths if path in known), by_hash, contents=more)
    unread = run_files.read_all(path for path in paths if path not in known)
    scored_shards.check(unread, by_hash, contents=more)
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
    def __init__(self, run: run_files.Run, planned: str, seen: str | None) -> None:
        self._run, self._planned, self._seen = run, planned, seen

    def process(
        self, patterns: tuple[str, ...]
    ) -> Iterator[OpenShard | TaggedOutput[Literal["committed"], str] | TaggedOutput[Literal["count"], int]]:
        found = find_planned(patterns, self._planned)
        held = _agreeing(self._run, self._seen)
        missing, committed = split(found, self._run, held)
        if missing:
            runs_row.hide_seen(self._run, self._seen)  # of an earlier attempt that had fewer shards
        yield from opened(missing, self._run)
        for path in committed:
            yield TaggedOutput("committed", path)
        yield TaggedOutput("count", len(found))


def _agreeing(run: run_files.Run, seen: str | None) -> dict[str, list[ShardRecord]]:
    """What sample files say, by path. One whose failures are not what it says is deleted: its unit is scored anew.

    Raises:
        AccountingError: for such a file that is merged, or where another attempt has finished the run meanwhile.
    """
    held = dict(run_files.read_all(run_files.sample_paths(run)))
    pairs = [pair for path, records in held.items() if (pair := unit_failures.pair(run, path, records))]
    wrong = unit_failures.disagreements(pairs)
    if wrong and not runs_row.hide_seen(run, seen):
        raise AccountingError(unit_failures.message(*wrong[0]))
    unit_failures.discard(wrong)
    return held


class FindShards(beam.PTransform):
    """Begin of the pipeline: match the examples on a worker, so that the graph does not grow with them."""

    def __init__(self, patterns: Sequence[str], planned: str, run: run_files.Run, seen: str | None = None) -> None:
        """Keep what to look for; `seen` is the identity of the run's row when the attempt began."""
        super().__init__()
        self._patterns, self._find = tuple(patterns), _FindShards(run, planned, seen)

    @no_annotations  # Beam reads no type from several collections
    def expand(self, begin: beam.Pipeline) -> Found:
        """Match once; one element, so one listing."""
        outputs = (
            begin
            | "Patterns" >> beam.Create([self._patterns], reshuffle=False)
            | "Match" >> beam.ParDo(self._find).with_outputs("committed", "count", main="missing")
        )
        return Found(outputs.missing, outputs.committed, outputs.count)
