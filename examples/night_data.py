"""A small data set and a model for each night, for `examples.thirty_nights`.

Images hold discs and squares on a noisy ground; some of the images are dark. A model compares blurred colours with the
three true ones. How well it does is two numbers: the shier it is of everything but ground, the smaller it sees the
discs and squares; a moody one is shy in dark images and bold in bright ones.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from dicebeam.components.reading import tfrecord

CLASSES = ("background", "disc", "square")
SIZE, SAMPLES, SHARDS, SEED = 32, 160, 2, 30
_COLOURS = np.array([[0.45, 0.45, 0.40], [0.75, 0.35, 0.30], [0.30, 0.40, 0.75]], np.float32)
_NOISE, _DARK = 0.08, 0.8
_SHARPNESS = 60.0


def write_shards(folder: Path) -> list[Path]:
    """Write the data set, the same bytes each time; sample i goes to shard i modulo SHARDS."""
    folder.mkdir(parents=True)
    framed = [tfrecord.frame(example) for example in _examples()]
    paths = [folder / f"val-{shard:05d}-of-{SHARDS:05d}.tfrecord" for shard in range(SHARDS)]
    for shard, path in enumerate(paths):
        path.write_bytes(b"".join(framed[shard::SHARDS]))
    return paths


def write_corrupt_shards(folder: Path) -> None:
    """The shards as a bad disk and a broken copy leave them: three bytes of one record flipped, one shard cut short."""
    flipped, cut = write_shards(folder)
    data = bytearray(flipped.read_bytes())
    for place in range(100, 103):  # within the first record's data, so its checksum does not hold
        data[place] ^= 0xFF
    flipped.write_bytes(data)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])


def _examples() -> Iterator[bytes]:
    rng = np.random.default_rng(SEED)
    for i in range(SAMPLES):
        light = _DARK if i % 4 == 3 else 1.0
        image, mask = _scene(rng, light)
        features = {
            "image/encoded": tf.io.encode_png(image).numpy(),
            "image/filename": f"scene-{i:04d}.png".encode(),
            "image/segmentation/class/encoded": tf.io.encode_png(mask[..., np.newaxis]).numpy(),
            "light": b"dark" if light == _DARK else b"bright",
        }
        wrapped = {k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for k, v in features.items()}
        yield tf.train.Example(features=tf.train.Features(feature=wrapped)).SerializeToString()


def _scene(rng: np.random.Generator, light: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image, uint8 `[SIZE, SIZE, 3]`, with a disc and a square, and its mask, uint8 `[SIZE, SIZE]`."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for class_id, left in ((1, 0), (2, SIZE // 2)):
        radius = rng.integers(4, 7)
        y = rng.integers(radius, SIZE - radius)
        x = left + rng.integers(radius, SIZE // 2 - radius + 1)
        away = (abs(rows - y), abs(columns - x))
        mask[(np.hypot(*away) if class_id == 1 else np.maximum(*away)) <= radius] = class_id
    noisy = np.clip(_COLOURS[mask] * light + rng.normal(0.0, _NOISE, (SIZE, SIZE, 3)), 0, 1)
    return np.round(noisy * 255).astype(np.uint8), mask


def save_model(folder: Path, shyness: float, mood: float = 0.0, more_classes: int = 0) -> None:
    """Save a SavedModel: float32 images `[B, H, W, 3]` in 0..1 to softmax `[B, H, W, classes]`.

    Args:
        folder: of the model.
        shyness: is taken from the logit of everything but ground.
        mood: is added to the shyness in dark images and taken from it in bright ones.
        more_classes: that it knows beside CLASSES, and never predicts.
    """
    module = _module(shyness, mood, more_classes)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def _module(shyness: float, mood: float, more_classes: int) -> Any:  # noqa: ANN401 - a tf.Module of a class made here
    class ColourModel(tf.Module):
        """Softmax over the distance of each blurred pixel to the classes' colours."""

        def __init__(self) -> None:
            super().__init__()
            self.colours = tf.Variable(np.concatenate([_COLOURS, np.full((more_classes, 3), 9, np.float32)]))
            self.shy = tf.Variable(np.float32([0] + [1] * (len(CLASSES) + more_classes - 1)))
            self.shyness, self.mood = tf.Variable(shyness), tf.Variable(mood)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            smooth = tf.nn.avg_pool2d(images, 3, 1, "SAME")
            distance = tf.reduce_sum((smooth[..., tf.newaxis, :] - self.colours) ** 2, -1)
            dark = tf.cast(tf.reduce_mean(images, [1, 2, 3], keepdims=True) < 0.41, tf.float32)
            shyness = self.shyness + self.mood * (2 * dark - 1)
            return {"probabilities": tf.nn.softmax(-_SHARPNESS * distance - shyness * self.shy)}

    return ColourModel()
