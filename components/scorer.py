"""Batches to sums with a loaded model. A sample that the model cannot take fails alone."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components import output_checks, sample_rows, saved_model, scoring
from components.saved_model import ScoreSettings
from schemas.errors import ModelError
from schemas.records import Batch, Failure, Sample, SampleKey, SampleSums, ScoredBatch

STAGE = "model"

Scored = tuple[list[Sample], SampleSums | None, list[Failure]]


class Scorer:
    """A loaded model, ready to score batches; shared between the threads of a process."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Load the SavedModel.

        Raises:
            ModelError: if it cannot be loaded.
        """
        self._loaded = saved_model.load(settings)  # the signature's function holds the variables only weakly
        self._settings = settings
        signature = self._loaded.signatures[settings.agreement.signature]
        self._score = scoring.score_function(signature, settings.agreement, settings.model, settings.labels)

    def score(self, batch: Batch) -> ScoredBatch:
        """Score the samples of a batch; those that fail become failures, the others are scored.

        Raises:
            ModelError: if the model fails on every sample of a batch of several, runs out of memory, or gives
                something else than the config says.
        """
        kept, sums, failures = self._scored(batch.samples)
        keys = tuple(SampleKey(sample.lineage, sample.sample_id, sample.slices) for sample in kept)
        return ScoredBatch(batch.shard, batch.index, keys, sums, (*batch.failures, *failures), batch.progress)

    def _scored(self, samples: Sequence[Sample]) -> Scored:
        if not samples:
            return [], None, []
        try:
            scores = self._score(*_stacked(samples, self._settings))
        except tf.errors.ResourceExhaustedError as error:
            place = f"out of memory with a batch of {len(samples)} on {_where(samples)}"
            msg = f"{place}; lower batch_size, under another --run-id"
            raise self._error(msg) from error
        except (tf.errors.OpError, ValueError) as error:  # the second while it is traced for a new kind of input
            return self._scored_apart(samples, error)
        settings = self._settings
        output_checks.check(scores, settings.model, settings.agreement, len(settings.labels.classes), _where(samples))
        sums = SampleSums(*(t.numpy()[: len(samples)] for t in (*scores.overlap, scores.pixels, scores.ignored_pixels)))
        finite = output_checks.finite_samples(scores)[: len(samples)]
        kept = [sample for sample, fine in zip(samples, finite, strict=True) if fine]
        failures = [_not_finite(sample) for sample, fine in zip(samples, finite, strict=True) if not fine]
        return kept, sample_rows.select(sums, finite) if failures else sums, failures

    def _scored_apart(self, samples: Sequence[Sample], error: Exception) -> Scored:
        """Find the samples that the model fails on one by one, and score the rest together.

        One sample alone fails as a sample. Where all of several do, the model is at fault, not the data.
        """
        if len(samples) == 1:
            return [], None, [_model_failed(samples[0], error)]
        outcomes = [self._scored([sample]) for sample in samples]
        good = [sample for kept, _, _ in outcomes for sample in kept]
        failures = [failure for _, _, failed in outcomes for failure in failed]
        if not good:
            raise self._error(f"it failed on {_where(samples)}: {_reason(error)}") from error
        if len(good) == len(samples):
            parts = [sums for _, sums, _ in outcomes if sums is not None]
            return good, sample_rows.concatenate(parts), []
        kept, sums, more = self._scored(good)
        return kept, sums, failures + more

    def _error(self, message: str) -> ModelError:
        return ModelError(f"model {self._settings.model.path}: {message}")


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


def _where(samples: Sequence[Sample]) -> str:
    first, last = samples[0].lineage, samples[-1].lineage
    return f"{first.shard}, records {first.record} to {last.record}"


def _reason(error: Exception) -> str:
    """What TensorFlow puts last, after the stack in which the graph was built."""
    head = str(getattr(error, "message", error)).partition("[[{{node")[0].strip()
    return (head.splitlines() or [type(error).__name__])[-1].strip()[:500]


def _model_failed(sample: Sample, error: Exception) -> Failure:
    return Failure(sample.lineage, sample.sample_id, STAGE, type(error).__name__, f"the model failed: {_reason(error)}")


def _not_finite(sample: Sample) -> Failure:
    msg = "the model's output has NaN or infinite values for this sample"
    return Failure(sample.lineage, sample.sample_id, STAGE, "SampleError", msg)
