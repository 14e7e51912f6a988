"""Batches to sums with a loaded model. A sample that the model cannot take fails alone."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas.errors import DeviceError, DicebeamError, FixedBatchError
from ...schemas.records import Batch, Failure, Sample, SampleKey, SampleSums, ScoredBatch
from ..runtime.turns import Turns
from ..statistics import sample_sums
from . import model_faults, output_checks, saved_model, score_function, stacking
from .saved_model import ScoreSettings

_log = logging.getLogger(__name__)


class _NotForEachError(ValueError):
    """The output of one call has not a prediction for each of several samples."""


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
        self._turns = Turns()

    def score(self, batch: Batch) -> ScoredBatch:
        """Score the samples of a batch; those that fail become failures, the others are scored.

        Which of them fail follows from each sample alone: not from the others, nor from what was scored before.

        Raises:
            ModelError: if the output is not what the config says, or the signature's fixed batch does not fit.
            DeviceError: if the device, or the model on it, fails otherwise than because of a sample.
        """
        kept, sums, failures = self._scored(batch.samples)
        if kept and any(failure.error not in model_faults.FOUND_IN_OUTPUT for failure in failures):
            kept, sums, more = self._scored(kept)  # together: their numbers are not those of many small batches
            failures = [*failures, *more]
        keys = tuple(SampleKey(sample.lineage, sample.sample_id, sample.slices) for sample in kept)
        return ScoredBatch(batch.shard, batch.index, keys, sums, (*batch.failures, *failures), batch.progress)

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
        found = self._tried(samples)
        if not isinstance(found, Exception):
            return found
        if model_faults.is_memory(found):
            return self._scored_smaller(samples, found)
        if not model_faults.is_samples(found):
            raise self._device_error(samples, found) from found
        if len(samples) == 1:
            return _Scored([], None, [self._raised(samples[0], found)])
        middle = len(samples) // 2
        return _joined([self._called(half) for half in (samples[:middle], samples[middle:])])

    def _tried(self, samples: Sequence[Sample], *, alone: bool = False) -> _Scored | Exception:
        """Score samples in one call, or say what was raised; `alone` keeps the process's other threads off meanwhile.

        Where memory ran out, the frames that hold the call's tensors are let go.
        """
        try:
            with self._turns.alone() if alone else self._turns.shared():
                sums, finite = self._read(samples)
        except DicebeamError:
            raise
        except Exception as error:  # noqa: BLE001 - told apart by who is to blame
            return error.with_traceback(None) if model_faults.is_memory(error) else error
        kept = [sample for sample, fine in zip(samples, finite, strict=True) if fine]
        failures = [model_faults.not_finite(s) for s, fine in zip(samples, finite, strict=True) if not fine]
        return _Scored(kept, sample_sums.select(sums, finite) if failures else sums, failures)

    def _read(self, samples: Sequence[Sample]) -> tuple[SampleSums, NDArray[np.bool_]]:
        """The sums of one call and which samples are finite; a GPU may fail as late as when they are read."""
        scores, settings = self._score(*_stacked(samples, self._settings)), self._settings
        place = model_faults.where(samples)
        if len(samples) > 1 and not scores.fits:  # what several do to each other is no rule: each is asked alone
            raise _NotForEachError
        output_checks.check(scores, settings.model, settings.agreement, len(settings.labels.classes), place)
        sums = SampleSums(*(t.numpy()[: len(samples)] for t in (*scores.overlap, scores.pixels, scores.ignored_pixels)))
        return sums, output_checks.finite_samples(scores)[: len(samples)]

    def _scored_smaller(self, samples: Sequence[Sample], error: Exception) -> _Scored:
        """Halve the batch, for this bucket and from now on; a sample that does not fit alone is tried once more.

        Then it fails, whatever fitted before: what the device has left is nothing that a rule may depend on. Smaller
        batches do not help where the signature fixes the batch.
        """
        bucket, count = samples[0].bucket, len(samples)
        if fixed := self._settings.agreement.batch:
            msg = (
                f"model {self._settings.model.path}: out of memory with the signature's batch of {fixed} on "
                f"{model_faults.where(samples)}; free memory and use the same --run-id"
            )
            raise FixedBatchError(msg) from error
        if count == 1:
            return self._alone(samples)
        self._largest[bucket] = min(count // 2, self._largest.get(bucket, count))
        _log.warning("out of memory with a batch of %d; scoring %d at a time from now on", count, self._largest[bucket])
        return self._scored(samples)

    def _alone(self, samples: Sequence[Sample]) -> _Scored:
        """The last try of one sample that did not fit, with the memory that other threads of the process hold."""
        found = self._tried(samples, alone=True)
        if not isinstance(found, Exception):
            return found
        if model_faults.is_memory(found):
            return _Scored([], None, [model_faults.too_big(samples[0], found)])
        if not model_faults.is_samples(found):
            raise self._device_error(samples, found) from found
        return _Scored([], None, [self._raised(samples[0], found)])

    def _raised(self, sample: Sample, error: Exception) -> Failure:
        """The failure of one sample; the transform is asked again, alone, whether it was the one that failed."""
        if self._transform is not None:
            try:
                with self._turns.alone():
                    self._transform(tf.constant([sample.image], tf.string))
            except Exception as of_transform:
                if not model_faults.is_samples(of_transform):
                    raise self._device_error([sample], of_transform) from of_transform
                return model_faults.raised(sample, of_transform, model_faults.TRANSFORM_FAILED)
        return model_faults.raised(sample, error)

    def _device_error(self, samples: Sequence[Sample], error: Exception) -> DeviceError:
        return DeviceError(
            f"model {self._settings.model.path}: the device, or the model on it, failed on "
            f"{model_faults.where(samples)}: {model_faults.reason_of_device(error)}. That says nothing about these "
            "records, and none of them is counted as failed: see to the device (or the model), and resume with the "
            "same --run-id"
        )


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
        images = stacking.stacked([image for sample in filled if not isinstance(image := sample.image, bytes)])
    masks = stacking.stacked([sample.mask for sample in filled])
    ignored = [sample.ignored for sample in filled if sample.ignored is not None]
    return images, masks, stacking.stacked(ignored) if ignored else None
