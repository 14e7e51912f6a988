"""Transforms that tests use: one that tensorflow-transform makes, and small ones with the same layout."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")  # tensorflow_transform sets it to 1, for all that is started later

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx_bsl.tfxio import tf_example_record

from tests.support import builders

RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
KEY = "image/encoded"
RAW = {
    KEY: tf.io.FixedLenFeature([], tf.string),
    "gain": tf.io.FixedLenFeature([3], tf.float32),
    "boosts": tf.io.VarLenFeature(tf.float32),
    "lift": tf.io.SparseFeature("lift/at", "lift/by", tf.float32, 3),
    "rows": tf.io.RaggedFeature(tf.float32, value_key="rows/values", partitions=[], row_splits_dtype=tf.int64),
    "label": tf.io.FixedLenFeature([], tf.int64),
}
"""Raw features of every kind; no record of an evaluation has a label."""
SIDE = 8
TEXT = tf.TensorSpec([None], tf.string, name="serialized")


def decoded(files: tf.Tensor) -> tf.Tensor:
    """PNG files of one size to float32 `[B, H, W, 3]` in 0..255."""
    return tf.map_fn(lambda f: tf.cast(tf.io.decode_png(f, 3), tf.float32), files, fn_output_signature=tf.float32)


def preprocessing(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Needs analyzers, every kind of raw feature, and a vocabulary; `label` is needed by `label_id` alone."""
    image = tf.ensure_shape(decoded(inputs[KEY]), [None, SIDE, SIDE, 3]) / 255
    values = tf.reduce_mean(image, [1, 2, 3])
    image = (image - tft.mean(values)) / tf.sqrt(tft.var(values))
    boost = tf.ensure_shape(tf.sparse.reduce_sum(inputs["boosts"], axis=1), [None])
    lift = tf.ensure_shape(tf.sparse.to_dense(inputs["lift"]), [None, 3])
    tf.debugging.assert_non_negative(inputs["label"])
    return {
        "image": image * inputs["gain"][:, tf.newaxis, tf.newaxis, :],
        "bias": lift + boost[:, tf.newaxis] + tf.reduce_sum(inputs["rows"], axis=1)[:, tf.newaxis],
        "unit": ragged_unit(inputs[KEY]),
        "label_id": tft.compute_and_apply_vocabulary(tf.strings.as_string(inputs["label"])),
        "boosts_out": inputs["boosts"],
    }


def ragged_unit(files: tf.Tensor) -> tf.RaggedTensor:
    """PNG files of any sizes to float32 in 0..1; tensorflow-transform allows no dense output of unknown size."""
    spec = tf.RaggedTensorSpec([None, None, 3], tf.float32, ragged_rank=1)

    def one(file: tf.Tensor) -> tf.RaggedTensor:
        return tf.RaggedTensor.from_tensor(tf.cast(tf.io.decode_png(file, 3), tf.float32) / 255)

    return tf.map_fn(one, files, fn_output_signature=spec)


def values(index: int, rng: np.random.Generator) -> dict[str, Any]:
    """The features of a record beside image, mask and label; some have no boosts and no rows."""
    return {
        "gain": list(rng.uniform(0.5, 2, 3)),
        "boosts": list(rng.normal(size=index % 3)),
        "lift__at": [1],
        "lift__by": [float(rng.normal())],
        "rows__values": list(rng.normal(size=index % 4)),
    }


def record(index: int, **more: Any) -> bytes:
    """A record whose prediction depends on all its features."""
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    mask = rng.choice([0, 1, 2, 255], (SIDE, SIDE)).astype(np.uint8)
    features = {**values(index, rng), **more}
    present = {key: value for key, value in features.items() if not (isinstance(value, list) and not value)}
    return builders.sample(image, mask, f"s{index:02d}.png", site="ab"[index % 2], **present)


def analyze(folder: Path, records: Sequence[bytes]) -> str:
    """What tensorflow-transform makes of `preprocessing` and some records, and the raw metadata beside it."""
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(RAW))
    source = tf_example_record.TFExampleBeamRecord(physical_format="tfrecord", schema=metadata.schema)
    with beam.Pipeline(RUNNER) as pipeline, tft_beam.Context(temp_dir=str(folder / "temp")):
        data = pipeline | beam.Create(list(records)) | source.BeamSource()
        made = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing)
        _ = made | tft_beam.WriteTransformFn(str(folder / "transform"))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "transform/metadata"), pipeline)
    return str(folder / "transform")


def network(image: tf.Tensor, bias: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"probabilities": tf.nn.softmax(image + bias[:, tf.newaxis, tf.newaxis, :])}


def save_bare(folder: Path, function: Callable[..., Any], **inputs: tf.TensorSpec) -> str:
    """A SavedModel whose signature has several inputs."""
    module = tf.Module()
    module.function = tf.function(function, autograph=False).get_concrete_function(
        **{name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()}
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.function})
    return str(folder)


def save_baked(folder: Path, transform: str) -> str:
    """`network` with the transform in it, as TFX's own examples do it: parse, tensorflow-transform's layer, model."""
    output = tft.TFTransformOutput(transform)
    spec = output.raw_feature_spec()
    del spec["label"]
    module = tf.Module()
    module.layer = output.transform_features_layer()

    @tf.function(input_signature=[TEXT])
    def serve(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        features = module.layer(tf.io.parse_example(serialized, spec))
        return network(features["image"], features["bias"])

    module.serve = serve
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    return str(folder)


def save_transform(folder: Path, function: Callable[..., Any], **takes: tf.TypeSpec) -> str:
    """A folder with the graph of a function of raw features, without analyzers; `__` in a name stands for `/`."""
    module = tf.Module()
    spec = {name.replace("__", "/"): each for name, each in takes.items()}
    module.transform_fn = tf.function(function, input_signature=[spec]).get_concrete_function()
    tf.saved_model.save(module, str(folder / "transform_fn"))
    return str(folder)
