"""ScoreSamples: batches to sums, through Beam's RunInference and a handler for any SavedModel.

Beam's own TensorFlow handler calls `keras.models.load_model`, which refuses SavedModel folders under Keras 3.
"""

import tempfile
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler, RunInference

from components import filesystems, sample_rows, scoring
from components.signatures import Agreement, scored_classes
from schemas.errors import ModelError
from schemas.labels import LabelSettings
from schemas.model import ModelSettings
from schemas.records import Batch, Failure, Sample, SampleKey, SampleSums, ScoredBatch

STAGE = "model"
PROBABILITY_TOLERANCE = 1e-3
"""Half precision puts a probability this far outside [0, 1], logits put it further."""
SUM_TOLERANCE = 1e-2
"""The probabilities of a softmax pixel add to 1 within this, on the mean of a sample."""


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What the scoring stage needs. `model_fingerprint` names the local copy of a remote model."""

    model: ModelSettings
    labels: LabelSettings
    agreement: Agreement
    model_fingerprint: str


def local_copy(path: str, fingerprint: str) -> str:
    """A local folder with the model; a remote one is copied once for each machine, safely between processes."""
    if not filesystems.is_remote(path):
        return path
    cache = Path(tempfile.gettempdir()) / "dicebeam-models"
    target = cache / fingerprint
    if not target.is_dir():
        partial = cache / f".{fingerprint}.{uuid.uuid4().hex[:12]}"
        filesystems.copy_folder(path, partial)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first otherwise
                raise
    return str(target)


class Scorer:
    """A loaded model, ready to score batches; shared between the threads of a process."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Load the SavedModel.

        Raises:
            ModelError: if it cannot be loaded.
        """
        _grow_gpu_memory()
        try:
            loaded = tf.saved_model.load(local_copy(settings.model.path, settings.model_fingerprint))
        except (OSError, tf.errors.OpError, ValueError) as error:
            msg = f"model {settings.model.path}: expected a SavedModel, but it cannot be loaded: {error}"
            raise ModelError(msg) from error
        self._loaded = loaded  # the signature's function holds the variables only weakly
        self._settings = settings
        signature = loaded.signatures[settings.agreement.signature]
        self._score = scoring.score_function(signature, settings.agreement, settings.model, settings.labels)

    def score(self, batch: Batch) -> ScoredBatch:
        """Score the samples of a batch; samples whose output is not finite become failures.

        Raises:
            ModelError: if the model fails or gives something else than the config says.
        """
        if not batch.samples:
            return ScoredBatch(batch.shard, batch.index, (), None, batch.failures, batch.progress)
        count = len(batch.samples)
        try:
            scores = self._score(*_stacked(batch.samples, self._settings))
        except tf.errors.OpError as error:
            raise self._error(f"it failed on {_where(batch)}: {_brief(error)}") from error
        self._check(scores, batch)
        sums = SampleSums(*(t.numpy()[:count] for t in (*scores.overlap, scores.pixels, scores.ignored_pixels)))
        finite = np.asarray(np.isfinite(sums.soft_predicted).all(axis=1))
        failures = batch.failures + tuple(
            _not_finite(sample) for sample, fine in zip(batch.samples, finite, strict=True) if not fine
        )
        kept = [s for s, fine in zip(batch.samples, finite, strict=True) if fine]
        keys = tuple(SampleKey(sample.lineage, sample.sample_id, sample.slices) for sample in kept)
        if len(kept) < count:
            sums = sample_rows.select(sums, finite)
        return ScoredBatch(batch.shard, batch.index, keys, sums, failures, batch.progress)

    def _check(self, scores: scoring.Scores, batch: Batch) -> None:
        """The activation and the class count are what the config says; NaN and infinity are the sample's matter."""
        kind, n_classes = self._settings.model.output_kind, len(self._settings.labels.classes)
        lows, highs = scores.low.numpy(), scores.high.numpy()
        finite = np.isfinite(lows) & np.isfinite(highs)
        low, high = lows[finite].min(initial=0.0), highs[finite].max(initial=0.0)
        if kind == "class_ids":
            if low < 0 or high >= n_classes:
                raise self._error(
                    f"it gives class ids from {low:.0f} to {high:.0f}, but the config names {n_classes} classes"
                )
            return
        channels = int(scores.channels)
        if (
            scored_classes(channels, n_classes, self._settings.model, "seen at run time")
            != self._settings.agreement.scored
        ):
            raise self._error(
                f"the output has {channels} channels, which its signature did not say; name one class for each"
            )
        if low < -PROBABILITY_TOLERANCE or high > 1 + PROBABILITY_TOLERANCE:
            raise self._error(
                f"output_kind is {kind!r}, which means probabilities, but the values run from "
                f"{low:.4g} to {high:.4g} in "
                f"{_where(batch)}; if these are logits, set output_kind: {kind.removesuffix('_logits')}_logits"
            )
        if kind == "softmax":
            self._check_sum(scores, batch)

    def _check_sum(self, scores: scoring.Scores, batch: Batch) -> None:
        counted = (scores.pixels - scores.ignored_pixels).numpy()
        totals = scores.overlap.soft_predicted.numpy().sum(axis=1)
        means = totals[counted > 0] / counted[counted > 0]
        wrong = means[np.isfinite(means) & (np.abs(means - 1) > SUM_TOLERANCE)]
        if wrong.size:
            raise self._error(
                f"output_kind is 'softmax', but the probabilities of a pixel add to {wrong[0]:.4g} on "
                f"average in {_where(batch)}; "
                "independent classes are output_kind: sigmoid"
            )

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


def _grow_gpu_memory() -> None:
    """Leave the GPU's memory to others until it is used; possible before the first GPU op only."""
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, enable=True)


def _where(batch: Batch) -> str:
    first, last = batch.samples[0].lineage, batch.samples[-1].lineage
    return f"{first.shard}, records {first.record} to {last.record}"


def _brief(error: tf.errors.OpError) -> str:
    """What TensorFlow puts last, after the stack in which the graph was built."""
    head = str(error.message).partition("[[{{node")[0].strip()
    return (head.splitlines() or [type(error).__name__])[-1].strip()[:500]


def _not_finite(sample: Sample) -> Failure:
    msg = "the model's output has NaN or infinite values for this sample"
    return Failure(sample.lineage, sample.sample_id, STAGE, "SampleError", msg)


class SegmentationModelHandler(ModelHandler[Batch, ScoredBatch, Scorer]):
    """RunInference over SavedModels, for batches that are made already; loaded once for each process."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Keep the settings; the model is loaded on the worker."""
        super().__init__()
        self._settings = settings

    def load_model(self) -> Scorer:
        """Load on the worker."""
        return Scorer(self._settings)

    def run_inference(
        self,
        batch: Batch,
        model: Scorer,
        inference_args: dict[str, Any] | None = None,  # noqa: ARG002 - Beam's signature
    ) -> Iterable[ScoredBatch]:
        """One scored batch for a batch."""
        return [model.score(batch)]

    def get_num_bytes(self, batch: Batch) -> int:
        """Bytes of the pixels; pickling them to find out would cost more than the model."""
        return sum(
            s.mask.nbytes + (len(s.image) if isinstance(s.image, bytes) else s.image.nbytes) for s in batch.samples
        )

    def get_metrics_namespace(self) -> str:
        """Where RunInference keeps its counters."""
        return "dicebeam"


class ScoreSamples(beam.PTransform):
    """Batches to scored batches. It keeps Beam's batching out: a batch never crosses a shard."""

    def __init__(self, settings: ScoreSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, batches: beam.PCollection[Batch]) -> beam.PCollection[ScoredBatch]:
        """Run the model where the batches are."""
        return batches | "RunInference" >> RunInference(SegmentationModelHandler(self._settings).with_no_batching())
