"""The trial: before anything is started, the first records of a data set go through decode and model once.

What is wrong with every record (wrong features, another output_kind, size or number of channels) is said at once, with
what fixes it. What is wrong with some of them is no matter of the trial: they become rows of `failures`, and the budget
decides at the end. It looks at all shards of the plan, not at those alone that are still to be scored.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from apache_beam.io.filesystem import BeamIOError

from ...components.decoding.decode_record import DecodeSettings
from ...components.model import model_copies, model_faults, score_samples
from ...components.model.model_copies import Scoring
from ...components.model.saved_model import ScoreSettings
from ...components.model.scorer import Scorer
from ...components.reading import first_records
from ...components.runs import run_files
from ...components.runtime import time_limit
from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import ConfigError, DeviceError, DicebeamError, FixedBatchError, ModelError, SampleError
from ...schemas.records import Batch, Failure, Progress, Sample, ScoredBatch
from ...schemas.shards import Shard
from ..runner import options as runner_options
from . import evaluation_plan
from .evaluation_plan import Plan

MOST = 32
"""Records that are tried where all fail: the first of each shard, from at most so many; then the second, and so on. A
data set of no more records is tried whole."""
SECONDS_ELSEWHERE = 60.0
"""How long a machine that is no worker may take for a record; it may have no GPU where the workers have one."""


class Tried(NamedTuple):
    """The first sample that was scored, None where none was, and the failures before it."""

    scored: Sample | None
    failures: tuple[Failure, ...]


class _NotTriedError(Exception):
    """This machine cannot say what the workers would."""


def first_scored(
    shards: Sequence[Shard], decode: DecodeSettings, score: Callable[[Batch], ScoredBatch], most: int = MOST
) -> Tried:
    """Try records of a data set, one by one, until one is scored, or does not fit in the memory of this machine.

    Args:
        shards: all of the data set, in listing order.
        decode: what a sample is made of.
        score: the model; whatever it raises is raised here.
        most: records to try.
    """
    failures: list[Failure] = []
    for outcome in islice(first_records.in_turn(shards, decode, most), most):
        if isinstance(outcome, Failure):
            failures.append(outcome)
            continue
        alone = Batch(Shard(outcome.lineage.shard, 0), 0, (outcome,), (), Progress(1, 0, 0, done=True))
        found = score(alone).failures
        if not found:
            return Tried(outcome, tuple(failures))
        failures += found
        if found[0].error == model_faults.OUT_OF_MEMORY:
            break
    return Tried(None, tuple(failures))


def error_of(tried: Tried, model: str) -> DicebeamError | None:
    """What a trial says where every record failed, typed by the first reason; None where there is nothing to say.

    A sample that does not fit in the memory of this machine says nothing.
    """
    if tried.scored or not tried.failures or too_big(tried):
        return None
    first, count = tried.failures[0], len(tried.failures)
    kind, todo = remedy(first, model)
    shards = len({failure.lineage.shard for failure in tried.failures})
    every = f"all {count} records that were tried, from {shards} shards, fail" if count > 1 else "the only one fails"
    return kind(
        f"expected records that can be scored, but {every}: record {first.lineage.record} of {first.lineage.shard}, "
        f"{first.message.rstrip('.')}. Nothing was scored; {todo}"
    )


def too_big(tried: Tried) -> bool:
    """Whether the trial ended at a sample that does not fit in the memory of this machine."""
    return bool(tried.failures) and tried.failures[-1].error == model_faults.OUT_OF_MEMORY


def remedy(failure: Failure, model: str) -> tuple[type[DicebeamError], str]:
    """By whose fault a failure is that all records share, and what to do about it."""
    keys = f"dicebeam inspect {failure.lineage.shard} shows what its records have"
    if failure.stage == model_faults.STAGE:
        return ModelError, _remedy_of_model(failure, model, keys)
    if failure.ends_shard:
        return ConfigError, "see that examples names whole TFRecord files, and no others"
    if failure.stage == "mask":
        return ConfigError, f"fix classes, mask_values, label_offset, ignore_label or features.mask; {keys}"
    if failure.stage == "read" and failure.error == "SampleError":
        return ConfigError, f"fix features; {keys}"
    return SampleError, f"fix the records, or features and max_pixels where they are meant so; {keys}"


def _remedy_of_model(failure: Failure, model: str, keys: str) -> str:
    if failure.error in model_faults.FOUND_IN_OUTPUT:
        return "look at the model's weights, and at input.scale"
    if failure.message.startswith(model_faults.TRANSFORM_FAILED):
        return f"hold the transform against the records: {keys}"
    what = "input.kind, input.size, input.scale and the channels of the images"
    return f"hold {what} against what the model takes: dicebeam inspect {model} shows it"


@contextmanager
def tried(plan: Plan, tell: Callable[[str], object]) -> Iterator[None]:
    """Try the first records of a plan; the graph has the model that was loaded for it while the block runs.

    A run that has committed files has passed its trial, or was not tried, and is not tried again.

    Args:
        plan: of the run.
        tell: is told where this machine cannot try them.

    Raises:
        ConfigError, SampleError, ModelError: if every one fails, by whose fault that is, or if the model does not do
            what the config says.
        DeviceError: if this process is a worker and its devices are not as asked for.
    """
    with model_copies.kept(plan.graph.score):
        if next(iter(run_files.sample_paths(plan.run)), None) is None:
            _try(plan, tell)
        yield


def _try(plan: Plan, tell: Callable[[str], object]) -> None:
    settings = plan.graph.score
    evaluation_plan.before_first_op(plan.options, settings.devices)
    here = runner_options.models_here(plan.options)
    loaded: list[Scoring] = []

    def score(batch: Batch) -> ScoredBatch:
        if not loaded:
            loaded.append(model_copies.scorer(settings) if here else _of_this_machine(settings))
        return _scored(loaded[0], batch, settings, here=here)

    try:
        found = first_scored(plan.shards, plan.graph.read.decode, score)
    except _NotTriedError as error:
        tell(f"warning: the first records were not tried here, the workers will meet them first: {error}")
        return
    if (wrong := error_of(found, settings.model.path)) is not None:
        raise wrong
    if too_big(found):
        said = found.failures[-1].message
        tell(f"warning: a first record does not fit here, and the workers will meet it first: {said}")


def _of_this_machine(settings: ScoreSettings) -> Scorer:
    """The model where it is only tried; what it needs may be on the workers alone."""
    try:
        return Scorer(replace(settings, devices=DeviceSettings()))
    except (DicebeamError, OSError, BeamIOError) as error:
        raise _NotTriedError(error) from error


def _scored(model: Scoring, batch: Batch, settings: ScoreSettings, *, here: bool) -> ScoredBatch:
    seconds = settings.batch_timeout_seconds if here else min(SECONDS_ELSEWHERE, settings.batch_timeout_seconds)
    try:
        return time_limit.call(lambda: model.score(batch), seconds)
    except TimeoutError:
        error = score_samples.no_result(batch, settings)
        raise error if here else _NotTriedError(f"no result after {seconds:g} s") from None
    except (DeviceError, FixedBatchError) as error:
        raise _NotTriedError(error) from error
