"""Checks of the gate that cannot pass, found before a night: by the last run, the last analysis or the records."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError

from ...components.gate import check_items, check_messages, estimates_of_tables, known_counts, never_passes
from ...components.gate.estimates import Estimates
from ...components.reading import count_records
from ...components.runs import analysis_files, last_run, latest_run, run_tables
from ...components.runs.run_tables import FinishedRun
from ...components.storage import filesystems
from ...schemas.config.config import Config
from ...schemas.config.gate import OF_THE_RUN
from ...schemas.errors import DicebeamError
from ...schemas.finding import Finding, fine, warning
from ...schemas.shards import Shard
from ..plans import table_settings

MOST_COUNTED = 1_000
"""Records that are read to be counted, at most."""
_UNREADABLE = (DicebeamError, OSError, BeamIOError, pa.ArrowException, ValueError, KeyError)

_Ways = list[tuple[str, str]]
"""What is in the way, and what to do."""


def findings(config: Config, shards: Sequence[Shard]) -> Iterator[Finding]:
    """What cannot pass with the data as they are known; nothing where there are no checks, or nothing is known.

    Args:
        config: with the gate's checks.
        shards: of its examples.
    """
    if not config.gate.checks:
        return
    for source in (_by_run, _by_analysis, lambda given: _by_records(given, shards)):
        known = _tried(source, config)
        if known is not None:
            ways, where = known
            yield from (warning(what, where, todo) for what, todo in ways)
            if not ways:
                yield fine("no check is known that cannot pass", where)
            return


_Known = tuple[_Ways, str] | None


def _tried(source: Callable[[Config], _Known], config: Config) -> _Known:
    """What a source knows; a table that cannot be read is another command's to say."""
    try:
        return source(config)
    except _UNREADABLE:
        return None


def _by_run(config: Config) -> _Known:
    """By the last run whose tables this config makes."""

    def made(past: FinishedRun) -> bool:
        same = past.row["config_fingerprint"] == config.fingerprint and table_settings.made_by(config, past.row)
        return past.stands and same and latest_run.is_done(past)

    output = filesystems.absolute(config.output)
    past = last_run.find(output, run_tables.listed(output), made)
    if past is None:
        return None
    now = estimates_of_tables.read(config.gate, past.run, config.foreground_ids)
    found = never_passes.findings(config.gate, now, config.bootstrap.replicates)
    return found + _nowhere(config, now), f"as in run {past.run_id}"


def _nowhere(config: Config, now: Estimates) -> _Ways:
    """Checks of a class or slice that is not there."""
    missing = dict.fromkeys(
        item.missing
        for item in check_items.items(config.gate, now, None)
        if item.missing and item.check.metric not in OF_THE_RUN
    )
    return [(str(what), "fix the check, or leave it out") for what in missing]


def _by_analysis(config: Config) -> _Known:
    """By the last analysis of these classes, which knows no clusters and no predictions."""
    for place in analysis_files.newest_first(filesystems.absolute(config.output)):
        classes = {row["class_name"]: row["samples"] for row in run_tables.read(place, "dataset_classes").to_pylist()}
        slices = {row["slice"]: row["n_samples"] for row in run_tables.read(place, "dataset_slices").to_pylist()}
        if tuple(classes) == config.classes and slices:
            known = known_counts.of_analysis(slices, classes, config.foreground_ids)
            return _of_counts(config, known), f"as in the analysis {place.run_id}"
    return None


def _by_records(config: Config, shards: Sequence[Shard]) -> _Known:
    """By the number of records, counted up to the largest `min_samples`."""
    least = max(check.min_samples or config.gate.min_samples for check in config.gate.checks)
    count = count_records.up_to(shards, min(least, MOST_COUNTED))
    if not shards or MOST_COUNTED <= count < least:
        return None
    known = known_counts.of_records(config.gate, config.classes, count)
    return _of_counts(config, known), "by the records of the examples"


def _of_counts(config: Config, known: Estimates) -> _Ways:
    found = never_passes.of_counts(config.gate, known)
    relative = any(check.relative and check.metric not in OF_THE_RUN for check in config.gate.checks)
    return [*found, *([check_messages.needs_replicates()] if relative and not config.bootstrap.replicates else [])]
