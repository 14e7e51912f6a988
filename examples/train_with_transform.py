"""From a preprocessing function to an evaluation: tensorflow-transform, a small Keras model, and dicebeam.

    python -m examples.train_with_transform DIRECTORY

Writes TFRecords of generated images to DIRECTORY/train and DIRECTORY/records, lets tensorflow-transform analyze and
transform the first, trains a small network on what comes out, and exports it twice: DIRECTORY/model takes what the
transform gives, DIRECTORY/baked has the transform in it and takes serialized tf.Examples. Then it evaluates both on
DIRECTORY/records. docs/guide/transform.md goes through it step by step.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")  # else tensorflow_transform turns tf.keras into Keras 2

import apache_beam as beam
import keras
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.public import tfxio

from dicebeam.components import losses
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.pipeline.runner import run
from examples import train_unet

SIDE, CLASSES = train_unet.SIDE, train_unet.CLASSES
IMAGE, MASK = "image/encoded", "image/segmentation/class/encoded"
RAW = {key: tf.io.FixedLenFeature([], tf.string) for key in (IMAGE, MASK)}
RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"  # in this process, without a download


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """PNG files to what training needs: z-scored images float32 `[64, 64, 3]`, and masks int64 `[64, 64, 1]`."""

    def decoded(files: tf.Tensor, channels: int) -> tf.Tensor:
        images = tf.map_fn(lambda file: tf.io.decode_png(file, channels), files, fn_output_signature=tf.uint8)
        return tf.ensure_shape(images, [None, SIDE, SIDE, channels])

    images = tf.cast(decoded(inputs[IMAGE], 3), tf.float32)
    return {"image": tft.scale_to_z_score(images), "mask": tf.cast(decoded(inputs[MASK], 1), tf.int64)}


def transform(directory: Path) -> None:
    """DIRECTORY/train to DIRECTORY/transform, the graph, and DIRECTORY/transformed, the examples after it."""
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(RAW))
    source = tfxio.TFExampleRecord(str(directory / "train/*.tfrecord"), schema=metadata.schema)
    graph = str(directory / "transform")
    with beam.Pipeline(RUNNER) as pipeline, tft_beam.Context(temp_dir=str(directory / "temp")):
        raw = (pipeline | source.BeamSource(), source.TensorAdapterConfig())
        (transformed, schema), transform_fn = raw | tft_beam.AnalyzeAndTransformDataset(
            preprocessing_fn, output_record_batches=True
        )
        encoder = RecordBatchToExamplesEncoder(schema.schema)
        _ = (
            transformed
            | "Encode" >> beam.FlatMapTuple(lambda batch, _: encoder.encode(batch))
            | beam.io.WriteToTFRecord(str(directory / "transformed/part"), num_shards=1)
        )
        _ = transform_fn | tft_beam.WriteTransformFn(graph)
        _ = metadata | tft_beam.WriteMetadata(f"{graph}/metadata", pipeline)


def train(directory: Path, *, epochs: int = 8, seed: int = 0) -> keras.Model:
    """A small network fitted on DIRECTORY/transformed; logits `[B, H, W, 2]`."""
    spec = tft.TFTransformOutput(str(directory / "transform")).transformed_feature_spec()
    files = sorted(map(str, (directory / "transformed").glob("part-*")))
    examples = next(iter(tf.data.TFRecordDataset(files).batch(1 << 20)))  # all: they are few
    features = tf.io.parse_example(examples, spec)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((None, None, 3))])
    for dilation in (1, 2, 4):
        model.add(keras.layers.Conv2D(8, 3, padding="same", dilation_rate=dilation, activation="relu"))
        model.add(keras.layers.BatchNormalization())
    model.add(keras.layers.Conv2D(CLASSES, 1))
    loss = losses.DiceCrossEntropy(from_logits="softmax", include_background=False)
    model.compile(keras.optimizers.Adam(1e-2), loss=loss)
    model.fit(features["image"], features["mask"][..., 0], batch_size=16, epochs=epochs, verbose=0)
    return model


def export(model: keras.Model, directory: Path) -> None:
    """DIRECTORY/model: `image` as the transform gives it -> softmax probabilities `[B, H, W, 2]`."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda image: {"probabilities": tf.nn.softmax(model(image, training=False))},
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="image")],
    )
    archive.write_out(str(directory / "model"), verbose=False)


def export_baked(directory: Path) -> None:
    """DIRECTORY/baked: serialized tf.Examples -> transform -> DIRECTORY/model."""
    module = tf.Module()
    module.transform = tft.TFTransformOutput(str(directory / "transform")).transform_features_layer()
    module.model = tf.saved_model.load(str(directory / "model"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = module.transform(tf.io.parse_example(examples, {IMAGE: RAW[IMAGE]}))
        served: dict[str, tf.Tensor] = module.model.signatures["serving_default"](image=features["image"])
        return served

    module.serve = serve
    tf.saved_model.save(module, str(directory / "baked"), signatures={"serving_default": serve})


def write_config(directory: Path) -> str:
    """DIRECTORY/config.yaml, of the model with the transform before it."""
    config = {
        "examples": str(directory / "records/*.tfrecord"),
        "model": str(directory / "model"),
        "output": str(directory / "reports"),
        "classes": ["background", "disc"],
        "input": {"transform": str(directory / "transform")},
    }
    path = directory / "config.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML
    return str(path)


def evaluate(config: str, *overrides: str) -> dict[str, Any]:
    """Run the pipeline; gives the digest of its rows, and the mean Dice of each class."""
    outcome = run.execute(make_plan(config_file.load(config, list(overrides)), None, []))
    rows = [row for row in outcome.classes.to_pylist() if row["slice"] == "all"]
    return {"digest": outcome.row["digest"]} | {row["class_name"]: row["dice_mean"] for row in rows}


def make(directory: Path, *, count: int = 96, epochs: int = 8) -> str:
    """Everything but the evaluations; gives the path of the config."""
    train_unet.write_records(directory / "train", count=count, seed=0)
    train_unet.write_records(directory / "records", count=32, seed=10_000)
    transform(directory)
    export(train(directory, epochs=epochs), directory)
    export_baked(directory)
    return write_config(directory)


def main() -> None:
    """Make everything, and print the numbers of both models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    config = make(directory)
    bare = evaluate(config)
    baked = evaluate(config, f"model={directory}/baked", "input={kind: example}")
    print(json.dumps({"transform before the model": bare, "transform in the model": baked}, indent=1))


if __name__ == "__main__":
    main()
