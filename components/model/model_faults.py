"""What a model's errors mean: whose fault they are, and the words for it."""

from collections.abc import Sequence

import tensorflow as tf

from ...schemas.records import Failure, Sample

STAGE = "model"
OUT_OF_MEMORY = "ResourceExhaustedError"
SAMPLES_FAULTS = {"InvalidArgumentError", "ValueError", OUT_OF_MEMORY}
"""What TensorFlow raises for values and shapes that a model cannot take; a broken device raises others."""
FOUND_IN_OUTPUT = {"SampleError"}
"""The model went through, and what it gave for the sample is no number."""
FAILED, TRANSFORM_FAILED = "the model failed: ", "the transform failed: "
_NO_MEMORY = (
    "Dst tensor is not initialized",
    "OUT_OF_MEMORY",
    "ALLOC_FAILED",
    "failed to allocate",
    "No algorithm worked",
)
"""What copies to a GPU, CUDA, cuDNN, cuBLAS and the choice of a convolution's algorithm say where memory is full."""


def is_memory(error: BaseException) -> bool:
    """Whether memory ran out. A GPU's libraries say so by texts of errors that have other types."""
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
        return True
    disguises = (tf.errors.InternalError, tf.errors.UnknownError, tf.errors.NotFoundError)
    return isinstance(error, disguises) and any(text.lower() in str(error).lower() for text in _NO_MEMORY)


def reason(error: BaseException) -> str:
    """What TensorFlow puts last, after the stack in which the graph was built."""
    head = str(getattr(error, "message", error)).partition("[[{{node")[0].strip()
    return (head.splitlines() or [type(error).__name__])[-1].strip()[:500]


def where(samples: Sequence[Sample]) -> str:
    """The place of some samples of one shard, in record order."""
    first, last = samples[0].lineage, samples[-1].lineage
    return f"{first.shard}, records {first.record} to {last.record}"


def raised(sample: Sample, error: BaseException, failed: str = FAILED) -> Failure:
    """The failure of a sample that the model, or the transform before it, raised an error for."""
    return _failure(sample, type(error).__name__, f"{failed}{reason(error)}")


def too_big(sample: Sample, error: BaseException) -> Failure:
    """The failure of a sample that does not fit in memory, even alone, with the words of the error."""
    image = f"{len(sample.image)} bytes" if isinstance(sample.image, bytes) else f"{list(sample.image.shape)}"
    msg = (
        f"out of memory with this sample alone (image {image}, mask {list(sample.mask.shape)}); it needs a machine "
        f"with more memory ({reason(error)})"
    )
    return _failure(sample, OUT_OF_MEMORY, msg)


def not_finite(sample: Sample) -> Failure:
    """The failure of a sample whose output has NaN or infinity."""
    return _failure(sample, "SampleError", "the model's output has NaN or infinite values for this sample")


def _failure(sample: Sample, error: str, message: str) -> Failure:
    return Failure(sample.lineage, sample.sample_id, STAGE, error, message)
