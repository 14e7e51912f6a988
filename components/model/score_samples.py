"""ScoreSamples: batches to sums, through Beam's RunInference and a handler for any SavedModel.

Beam's own TensorFlow handler calls `keras.models.load_model`, which refuses SavedModel folders under Keras 3.
"""

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference

from ...schemas.errors import ModelError
from ...schemas.records import Batch, ScoredBatch
from ..runtime import time_limit
from . import model_copies, model_faults
from .model_copies import Scoring
from .saved_model import ScoreSettings


class SegmentationModelHandler(ModelHandler[Batch, ScoredBatch, Scoring]):
    """RunInference over SavedModels, for batches that are made already; one model a process, or fewer."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Keep the settings; the model is loaded on the worker."""
        super().__init__()
        self._settings = settings

    def load_model(self) -> Scoring:
        """Load on the worker, or find the process that has."""
        return model_copies.scorer(self._settings)

    def run_inference(
        self,
        batch: Batch,
        model: Scoring,
        inference_args: dict[str, Any] | None = None,  # noqa: ARG002 - Beam's signature
    ) -> Iterable[ScoredBatch]:
        """One scored batch for a batch.

        Raises:
            ModelError: if the model gives no result in time, and for whatever the scorer does.
        """
        try:
            return [time_limit.call(lambda: model.score(batch), self._settings.batch_timeout_seconds)]
        except TimeoutError:
            raise no_result(batch, self._settings) from None

    def get_num_bytes(self, batch: Batch) -> int:
        """Bytes of the pixels; pickling them to find out would cost more than the model."""
        return batch.nbytes

    def get_metrics_namespace(self) -> str:
        """Where RunInference keeps its counters."""
        return "dicebeam"


def no_result(batch: Batch, settings: ScoreSettings) -> ModelError:
    """What is raised for a batch without a result within `batch_timeout_seconds`."""
    place = model_faults.where(batch.samples) if batch.samples else batch.shard.path
    return ModelError(
        f"model {settings.model.path}: expected a result for {place}, within batch_timeout_seconds, but there is none "
        f"after {settings.batch_timeout_seconds:g} s: the model hangs on them, or is that slow here. Fix the model, or "
        "raise batch_timeout_seconds, and resume with the same --run-id"
    )


class ScoreSamples(beam.PTransform):
    """Batches to scored batches. It keeps Beam's batching out: a batch never crosses a shard."""

    def __init__(self, settings: ScoreSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, batches: beam.PCollection[Batch]) -> beam.PCollection[ScoredBatch]:
        """Run the model where the batches are."""
        return batches | "RunInference" >> RunInference(SegmentationModelHandler(self._settings).with_no_batching())
