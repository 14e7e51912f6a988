"""What a model's errors mean: whose fault they are, and the words for it.

Only what follows from a sample's values, shape or dtype may make it a failed record, because it would follow again on
every machine. The rest says something about the device, the memory or the model at that moment, whatever was in the
batch, so the run ends and can be resumed.
"""

import re
from collections.abc import Sequence

import tensorflow as tf

from ...schemas.records import Failure, Sample

STAGE = "model"
OUT_OF_MEMORY = "ResourceExhaustedError"
FOUND_IN_OUTPUT = {"SampleError"}
"""The model went through, and what it gave for the sample is no number."""
FAILED, TRANSFORM_FAILED = "the model failed: ", "the transform failed: "
_SAMPLES_OWN = (
    tf.errors.InvalidArgumentError,
    tf.errors.OutOfRangeError,
    tf.errors.UnimplementedError,
    ValueError,
    TypeError,
)
"""What an op says of values and shapes that it does not take (also of Python's StopIteration, ValueError, TypeError and
NotImplementedError in a `tf.numpy_function`), of shapes that it has no code for, and what tracing for a new dtype or
rank raises. All others (Internal, Unknown, Unavailable, Aborted, Cancelled, DataLoss, NotFound, FailedPrecondition and
so on) speak of devices, files, tables and other threads."""
_THE_DEVICES = re.compile(
    r"OpKernel|Unable to find any devices|Cannot assign a device|Could not satisfy|when trying to compile graph"
    r"|on device type [CG]PU|DNN library|supports? .*on (the )?[CG]PU\b|\bCUDA_ERROR_|\bCU(DNN|BLAS)_STATUS_"
)
"""What they say, too, where it is the device that cannot do it, with any sample."""
_OF_THE_GRAPH = "assertion failed:"
"""An assertion of the model's own: what follows are the words of whoever wrote it."""
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


def is_samples(error: BaseException) -> bool:
    """Whether an error is of a sample's own kind: it follows from the values, the shape or the dtype."""
    text = str(getattr(error, "message", error))
    return isinstance(error, _SAMPLES_OWN) and (_OF_THE_GRAPH in text or not _THE_DEVICES.search(text))


def reason(error: BaseException) -> str:
    """What TensorFlow puts last, after the stack in which the graph was built."""
    return (_lines(error) or [type(error).__name__])[-1].strip()[:500]


def reason_of_device(error: BaseException) -> str:
    """The kind of an error that is not a sample's own, and what it says first, in one line."""
    said = re.sub(r"^\{\{function_node [^}]*\}\}\s*", "", (_lines(error) or [""])[0].strip())
    return f"{type(error).__name__}: {said[:500]}" if said else type(error).__name__


def in_one_line(error: BaseException) -> str:
    """All that an error says, not too long."""
    return " ".join(str(error).split())[:1000]


def _lines(error: BaseException) -> list[str]:
    return str(getattr(error, "message", error)).partition("[[{{node")[0].strip().splitlines()


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
