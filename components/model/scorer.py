"""Batches to sums with a loaded model. A sample that the model cannot take fails alone."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas.errors import ModelError
from ...schemas.records import Batch, Failure, Sample, SampleKey, SampleSums, ScoredBatch
from ..statistics import sample_sums
from . import model_faults, output_checks, saved_model, score_function
from .saved_model import ScoreSettings

_log = logging.getLogger(__name__)


class _Scored(NamedTuple):
    """Samples that were scored, their sums (None for none), and the failures of the others."""

    kept: list[Sample]
    sums: SampleSums | None
    failures: list[Failure]


class Scorer:
    """A loaded model, ready to score batches; shared between the threads of a process.

    What fits in memory is remembered for each bucket of samples, so that the next batch does not run out again.
    """

    def __init__(self, settings: ScoreSettings) -> None:
        """Load the SavedModel, and the transform before it where there is one.

        Raises:
            ModelError: if one of them cannot be loaded.
        """
        self._loaded = saved_model.load(settings)  # the signature's function holds the variables only weakly
        self._settings = settings
        signature = self._loaded.signatures[settings.agreement.signature]
        self._transform = saved_model.load_inputs(settings)
        self._score = score_function.score_function(
            signature, settings.agreement, settings.model, settings.labels, self._transform
        )
        self._largest: dict[tuple[Any, ...], int] = {}
        self._scored_before: set[tuple[Any, ...]] = set()

    def score(self, batch: Batch) -> ScoredBatch:
        """Score the samples of a batch; those that fail become failures, the others are scored.

        One sample alone fails as a sample. Where a model that has not scored anything yet fails on all of several,
        or the device does, the samples are not to blame.

        Raises:
            ModelError: if the model or the device is at fault, or the output is not what the config says.
        """
        samples = batch.samples
        kept, sums, failures = self._scored(samples)
        self._check_blame(samples, failures)
        if kept and any(failure.error not in model_faults.FOUND_IN_OUTPUT for failure in failures):
            kept, sums, more = self._scored(kept)  # together: their numbers are not those of many small batches
            failures = [*failures, *more]
        keys = tuple(SampleKey(sample.lineage, sample.sample_id, sample.slices) for sample in kept)
        return ScoredBatch(batch.shard, batch.index, keys, sums, (*batch.failures, *failures), batch.progress)

    def _check_blame(self, samples: Sequence[Sample], failures: Sequence[Failure]) -> None:
        kinds = {failure.error for failure in failures}
        if len(samples) <= 1 or len(failures) < len(samples) or kinds & model_faults.FOUND_IN_OUTPUT:
            return
        if not self._scored_before or not kinds <= model_faults.SAMPLES_FAULTS:
            said = failures[0].message.removeprefix(model_faults.FAILED)
            raise self._error(f"it failed on {model_faults.where(samples)}: {said}")

    def _scored(self, samples: Sequence[Sample]) -> _Scored:
        """Score samples of one bucket, in as many calls as memory needs."""
        if not samples:
            return _Scored([], None, [])
        parts, rest = [], samples
        while rest:
            size = self._largest.get(rest[0].bucket, len(rest))  # may have shrunk since the part before
            parts.append(self._called(rest[:size]))
            rest = rest[size:]
        return _joined(parts)

    def _called(self, samples: Sequence[Sample]) -> _Scored:
        """Score samples in one call, and where that fails find out why."""
        try:
            sums, finite = self._read(samples)
        except (tf.errors.OpError, ValueError, MemoryError) as error:  # ValueError: traced for a new kind of input
            if model_faults.is_memory(error):
                return self._scored_smaller(samples, error)
            return self._scored_apart(samples, error)
        self._scored_before.add(samples[0].bucket)
        kept = [sample for sample, fine in zip(samples, finite, strict=True) if fine]
        failures = [model_faults.not_finite(s) for s, fine in zip(samples, finite, strict=True) if not fine]
        return _Scored(kept, sample_sums.select(sums, finite) if failures else sums, failures)

    def _read(self, samples: Sequence[Sample]) -> tuple[SampleSums, NDArray[np.bool_]]:
        """The sums of one call and which samples are finite; a GPU may fail as late as when they are read."""
        scores, settings = self._score(*_stacked(samples, self._settings)), self._settings
        place = model_faults.where(samples)
        output_checks.check(scores, settings.model, settings.agreement, len(settings.labels.classes), place)
        sums = SampleSums(*(t.numpy()[: len(samples)] for t in (*scores.overlap, scores.pixels, scores.ignored_pixels)))
        return sums, output_checks.finite_samples(scores)[: len(samples)]

    def _scored_smaller(self, samples: Sequence[Sample], error: Exception) -> _Scored:
        """Halve the batch, for this bucket and from now on; a sample that does not fit alone fails.

        Where it has fitted before, or the signature fixes the batch, smaller batches do not help.
        """
        bucket, count = samples[0].bucket, len(samples)
        fixed = self._settings.agreement.batch
        if fixed or (count == 1 and bucket in self._scored_before):
            why = f"the signature's batch of {fixed}" if fixed else "a sample of a shape that has fitted before"
            msg = f"out of memory with {why} on {model_faults.where(samples)}; free memory and use the same --run-id"
            raise self._error(msg) from error
        if count == 1:
            return _Scored([], None, [model_faults.too_big(samples[0], error)])
        self._largest[bucket] = min(count // 2, self._largest.get(bucket, count))
        _log.warning("out of memory with a batch of %d; scoring %d at a time from now on", count, self._largest[bucket])
        return self._scored(samples)

    def _scored_apart(self, samples: Sequence[Sample], error: Exception) -> _Scored:
        """Find the samples that the model fails on by halving."""
        if len(samples) == 1:
            return _Scored([], None, [self._raised(samples[0], error)])
        middle = len(samples) // 2
        return _joined([self._called(half) for half in (samples[:middle], samples[middle:])])

    def _raised(self, sample: Sample, error: Exception) -> Failure:
        """The failure of one sample; the transform is asked again, alone, whether it was the one that failed."""
        if self._transform is not None:
            try:
                self._transform(tf.constant([sample.image], tf.string))
            except (tf.errors.OpError, ValueError) as of_transform:
                return model_faults.raised(sample, of_transform, model_faults.TRANSFORM_FAILED)
        return model_faults.raised(sample, error)

    def _error(self, message: str) -> ModelError:
        return ModelError(f"model {self._settings.model.path}: {message}")


def _joined(parts: Sequence[_Scored]) -> _Scored:
    """Parts of a batch, in order, as one."""
    if len(parts) == 1:
        return parts[0]
    sums = [part.sums for part in parts if part.sums is not None]
    return _Scored(
        [sample for part in parts for sample in part.kept],
        sample_sums.concatenate(sums) if sums else None,
        [failure for part in parts for failure in part.failures],
    )


def _stacked(samples: Sequence[Sample], settings: ScoreSettings) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """The samples as tensors, filled up to the signature's batch size where that is fixed."""
    filled = [*samples, *[samples[-1]] * (settings.agreement.batch - len(samples))]
    if isinstance(filled[0].image, bytes):
        images = tf.constant([sample.image for sample in filled], tf.string)
    else:
        images = tf.constant(np.stack([sample.image for sample in filled]))
    masks = tf.constant(np.stack([sample.mask for sample in filled]))
    ignored = [sample.ignored for sample in filled if sample.ignored is not None]
    return images, masks, tf.constant(np.stack(ignored)) if ignored else None
