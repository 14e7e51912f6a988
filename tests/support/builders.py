"""Small things that tests are made of: records, masks, shards and models."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dicebeam.components.reading import tfrecord
from dicebeam.schemas.records import SampleSums


def example(**features: Any) -> bytes:
    """A serialized tf.Example; `__` in a name stands for `/`. bytes, str, ints, floats, or lists of them."""
    return example_of({name.replace("__", "/"): value for name, value in features.items()})


def example_of(features: Mapping[str, Any]) -> bytes:
    return tf.train.Example(
        features=tf.train.Features(feature={k: _feature(v) for k, v in features.items()})
    ).SerializeToString()


def _feature(value: Any) -> tf.train.Feature:
    values = value if isinstance(value, (list, tuple)) else [value]
    if values and isinstance(values[0], (bytes, str)):
        encoded = [v.encode() if isinstance(v, str) else v for v in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
    if values and isinstance(values[0], (float, np.floating)):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def png(array: Any) -> bytes:
    """A PNG of `[H, W]` or `[H, W, channels]`, 8 or 16 bit by dtype."""
    array = np.asarray(array)
    array = array if array.dtype in (np.uint8, np.uint16) else array.astype(np.uint8)
    return tf.io.encode_png(array[..., np.newaxis] if array.ndim == 2 else array).numpy()


def sample(image: Any, mask: Any, name: str = "a.png", **more: Any) -> bytes:
    """A record of the deeplab preset."""
    return example_of(
        {
            "image/encoded": image if isinstance(image, bytes) else png(image),
            "image/segmentation/class/encoded": mask if isinstance(mask, bytes) else png(mask),
            "image/filename": name,
            **{key.replace("__", "/"): value for key, value in more.items()},
        }
    )


def write_shard(path: Path, records: Sequence[bytes]) -> Path:
    """A TFRecord file, gzip where the name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(tfrecord.frame(record) for record in records)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def save_model(
    folder: Path,
    function: Callable[..., dict[str, tf.Tensor]],
    spec: tf.TensorSpec,
    **more: tuple[Callable[..., Any], tf.TensorSpec],
) -> str:
    """A SavedModel whose serving_default is `function` of one input; `more` adds signatures by name."""
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    signatures = {"serving_default": (function, spec), **more}
    module.functions = {name: tf.function(f, input_signature=[s]) for name, (f, s) in signatures.items()}
    tf.saved_model.save(module, str(folder), signatures=dict(module.functions))
    return str(folder)


def sums_of(tp: Any, predicted: Any, actual: Any, pixels: int = 100, ignored: int = 0) -> SampleSums:
    """Sums of samples whose prediction is sure, from `[n, C]` counts."""
    tp, predicted, actual = (np.asarray(values, np.int64) for values in (tp, predicted, actual))
    soft = (tp.astype(np.float64), predicted.astype(np.float64), predicted.astype(np.float64))
    whole = np.full(len(tp), pixels, np.int64)
    return SampleSums(tp, predicted, actual, *soft, whole, np.full(len(tp), ignored, np.int64))


def images_spec(
    channels: int | None = 3,
    size: Sequence[int | None] = (None, None),
    dtype: Any = tf.float32,
    batch: int | None = None,
) -> tf.TensorSpec:
    return tf.TensorSpec([batch, *size, channels], dtype, name="images")
