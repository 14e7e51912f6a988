"""What would fail on the workers, found before anything is submitted: every finding, not the first alone."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from apache_beam.io.filesystem import BeamIOError

from ...components.decoding.decode_record import DecodeSettings
from ...components.model import model_faults
from ...components.model.agreement import agree
from ...components.model.fingerprints import read_model
from ...components.model.saved_model import ScoreSettings
from ...components.model.scorer import Scorer
from ...components.reading import find_shards, first_records
from ...components.runtime import gpus
from ...components.storage import filesystems
from ...schemas.config.config import Config
from ...schemas.errors import DeviceError, DicebeamError, FixedBatchError
from ...schemas.finding import Finding, fine, problem, warning
from ...schemas.records import Failure
from ...schemas.shards import Shard
from ..plans import model_settings, table_settings, trial
from ..plans.model_settings import IMAGE, VOLUME
from ..plans.trial import Tried
from ..runner import options as runner_options
from . import beam_flags, dataflow, devices, gate_samples


def findings(config: Config, flags: Sequence[str]) -> Iterator[Finding]:
    """Look at the flags, the output, the shards and the model, in this order: the quick ones first."""
    yield from beam_flags.findings(flags)
    paths = {"examples": config.examples, "model": (config.model,), "output": (config.output,)}
    if config.input.transform:
        paths["input.transform"] = (config.input.transform,)
    yield from dataflow.findings(flags, paths)
    yield from devices.findings(flags)
    filesystems.use_options(runner_options.pipeline_options(flags))
    # before records are decoded with TensorFlow, which comes before the model is loaded
    gpus.prepare(devices.without_requirement(flags))
    yield _output(config.output)
    found: dict[str, list[Shard]] = {}
    for pattern in config.examples:
        yield _matched(pattern, found)
    score, finding = _agreement(config)
    yield finding
    says = config.foreground_says(score.agreement.scored) if score else None
    if says:
        yield fine(says, "classes")
    shards = next(iter(found.values())) if len(found) == 1 else _together(found)
    decode = model_settings.decode_settings(config, score.agreement) if score else _without_model(config, shards)
    looked = first_records.look(shards, decode, failures_allowed=config.max_failed_fraction > 0)
    yield from looked.findings
    yield from gate_samples.findings(config, shards)
    if score is not None:
        yield from _tried(score, decode, shards, failures_allowed=config.max_failed_fraction > 0)


def _output(output: str) -> Finding:
    folder = filesystems.absolute(output)
    made = [] if filesystems.is_remote(folder) else [p for p in (Path(folder), *Path(folder).parents) if not p.exists()]
    try:
        filesystems.check_writable(folder)
    except DicebeamError as error:
        return problem(str(error), "output", "fix output or its permissions")
    for path in made:
        path.rmdir()
    return fine("a file can be written and deleted", folder)


def _together(found: Collection[str]) -> list[Shard]:
    """The shards of several patterns, each once, whatever links lead to it."""
    return find_shards.find(list(found)) if found else []


def _matched(pattern: str, found: dict[str, list[Shard]]) -> Finding:
    """What a pattern matches, which is added to what was found."""
    where = filesystems.absolute(pattern)
    try:
        matched = find_shards.find([pattern])
    except DicebeamError as error:
        return problem(str(error), "examples", "fix the pattern; * stays inside a folder")
    except (OSError, BeamIOError, ValueError) as error:
        return problem(f"the files cannot be listed ({error})", where, "fix examples or the credentials")
    found[pattern] = matched
    return fine(f"{len(matched):,} shards, {sum(shard.size_bytes for shard in matched) / 1e6:,.1f} MB", where)


def _agreement(config: Config) -> tuple[ScoreSettings | None, Finding]:
    """How the model would score, with what it and the config agree on; None with a problem where they do not."""
    model = model_settings.model_settings(config)
    try:
        transform = model_settings.fingerprint_of_transform(model)
        files = read_model(model.path)
        agreed = agree(model, files.graph, transform, len(config.classes), config.batch_size)
        table_settings.check_foreground(config, agreed.scored)
    except (DicebeamError, BeamIOError, ValueError) as error:
        shows = "the model's signatures" + (" and the transform's features" if model.input.transform else "")
        return None, problem(str(error), "model", f"fix the config; dicebeam inspect shows {shows}")
    agrees = "and the transform agree" if model.input.transform else "agrees"
    seconds = config.batch_timeout_seconds
    score = ScoreSettings(model, config.labels, agreed, files.fingerprint, seconds, transform)
    return score, fine(f"the signature {agreed.signature!r} {agrees} with the config", model.path)


def _without_model(config: Config, shards: Sequence[Shard]) -> DecodeSettings:
    """Records can be looked at though the model cannot: the first that can be decoded says whether they are volumes."""
    images, volumes = (model_settings.without_model(config, rank) for rank in (IMAGE, VOLUME))
    stored = first_records.stored_images(shards, images, volumes)
    return replace(volumes if stored.rank == VOLUME else images, input_kind=config.input.kind)


def _tried(
    score: ScoreSettings, decode: DecodeSettings, shards: Sequence[Shard], *, failures_allowed: bool
) -> Iterator[Finding]:
    """Load the model and score records as the trial before a run does, until one is scored."""
    path, todo = score.model.path, "fix the model, or the config that feeds it"
    try:
        found = trial.first_scored(shards, decode, Scorer(score).score)
    except (DeviceError, FixedBatchError) as error:
        yield warning(str(error), path, "it was not tried here; the workers will meet the records first")
    except (DicebeamError, OSError, BeamIOError) as error:
        yield problem(str(error), "model", todo)
    else:
        yield from _outcome(found, path, todo, failures_allowed=failures_allowed)


def _outcome(found: Tried, model: str, todo: str, *, failures_allowed: bool) -> Iterator[Finding]:
    if trial.error_of(found, model) is not None:
        first, several = found.failures[0], f" (all {len(found.failures)} records that were tried fail)"
        if not _of_model(first) and (first.ends_shard or not failures_allowed):
            return  # the first record of the first shard was looked at: it is a problem already
        _, fixes = trial.remedy(first, model)
        yield problem(first.message, _place(first), (f"{todo}: {fixes}" if _of_model(first) else fixes) + several)
        return
    for failure in filter(_of_model, found.failures):
        if failures_allowed or trial.too_big(found):
            yield warning(failure.message, _place(failure), "it would be a row of failures")
        else:
            yield problem(failure.message, _place(failure), f"{todo}, or allow some with max_failed_fraction")
    if found.scored is not None:
        yield fine("the model loads and scores the first sample", model)
    elif not found.failures:
        yield fine("the model loads; no sample was there to score", model)


def _of_model(failure: Failure) -> bool:
    return failure.stage == model_faults.STAGE


def _place(failure: Failure) -> str:
    return f"{failure.lineage.shard} record {failure.lineage.record}"
