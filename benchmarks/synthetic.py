"""Data and a small model for the benchmarks: sizes that make overhead show, content that is cheap to make."""

import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from dicebeam.components.reading import tfrecord

CLASSES = ("background", "a", "b", "c", "d")


def write_shards(folder: Path, records: int, shards: int, size: int, seed: int = 0) -> str:
    """Random smooth images and blocky masks as PNG in tf.Examples; returns the glob."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for shard in range(shards):
        with (folder / f"part-{shard:05d}-of-{shards:05d}.tfrecord").open("wb") as file:
            for number in range(shard, records, shards):
                file.write(tfrecord.frame(example(rng, number, size)))
    return str(folder / "*.tfrecord")


def example(rng: np.random.Generator, number: int, size: int) -> bytes:
    """A record of the deeplab preset, size x size pixels."""
    return record(*images(rng, size), f"{number:08d}.png")


def images(rng: np.random.Generator, size: int) -> tuple[bytes, bytes]:
    """A random smooth image and its blocky mask, as PNG."""
    coarse = rng.integers(0, len(CLASSES), (size // 16, size // 16), np.uint8)
    mask = np.kron(coarse, np.ones((16, 16), np.uint8))
    image = np.kron(coarse * 40, np.ones((16, 16), np.uint8))[..., None] + rng.integers(
        0, 40, (size, size, 3), np.uint8
    )
    return png(image.astype(np.uint8)), png(mask[..., None])


def png(array: NDArray[np.uint8]) -> bytes:
    """`[height, width, channels]` as PNG."""
    encoded: bytes = tf.io.encode_png(array).numpy()
    return encoded


def record(image: bytes, mask: bytes, name: str) -> bytes:
    """A serialized tf.Example of the deeplab preset."""
    features = {
        "image/encoded": image,
        "image/filename": name.encode(),
        "image/segmentation/class/encoded": mask,
    }
    wrapped = {k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for k, v in features.items()}
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=wrapped)).SerializeToString()
    return serialized


def save_model(folder: Path, width: int = 8) -> str:
    """A convolutional net of three layers with random weights, softmax over the classes."""
    rng = np.random.default_rng(1)

    class Net(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [3, width, width, len(CLASSES)]
            self.kernels = [
                tf.Variable(rng.normal(0, 0.3, (3, 3, a, b)).astype(np.float32)) for a, b in itertools.pairwise(sizes)
            ]

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            x = images
            for kernel in self.kernels[:-1]:
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
            return {"probabilities": tf.nn.softmax(tf.nn.conv2d(x, self.kernels[-1], 1, "SAME"))}

    net = Net()
    tf.saved_model.save(net, str(folder), signatures=net.serve)
    return str(folder)
