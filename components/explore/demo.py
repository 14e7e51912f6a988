"""A small data set, two models and a config: something real to try every command on, made in seconds.

Images hold discs and squares on a noisy ground, from two sites; the second one's light is weak. The models
compare blurred colours with the three true ones. `v2` is a worse `v1`: it blurs too much and is shy of squares.
"""

import glob
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas.errors import ConfigError
from ..reading import tfrecord
from ..storage import filesystems

CLASSES = ("background", "disc", "square")
COLOURS = np.array([[0.45, 0.45, 0.40], [0.75, 0.35, 0.30], [0.30, 0.40, 0.75]], np.float32)
SITES = {"north": 1.0, "south": 0.75}
SIZE, SHARDS, SEED = 128, 4, 20
_NOISE = 0.16
_PLAIN = re.compile(r"[\w./*-]+")

CONFIG = """\
# Evaluate with:  dicebeam evaluate {folder}/config.yaml
# The second, worse model:  dicebeam evaluate {folder}/config.yaml --set model={folder}/models/v2
examples: {examples}  # glob or list of globs; local, gs:// or s3://; .gz by name
model: {model}             # SavedModel folder
output: {output}              # the Parquet tables go here
classes: [background, disc, square]   # a class's place in the list is its id in the masks
features: deeplab                     # which tf.Example features hold image and mask: deeplab, tfds, or a mapping
output_kind: softmax                  # softmax, sigmoid, softmax_logits, sigmoid_logits or class_ids
slices: [site]                        # tf.Example features to break the results down by
gate:                                 # what dicebeam gate and dicebeam nightly hold a run to
  baseline: previous                  # the last run of another model; or blessed, or a run id
  checks:
    - {{metric: dice_mean, class: foreground, max_drop: 0.02}}
    - {{metric: dice_mean, class: "*", slice: "site=*", max_drop: 0.05, too_few: skip}}
    - {{metric: missed_rate, class: "*", max_rise: 0.05}}
    - {{metric: dice_mean, class: foreground, min: 0.8}}
"""


def make(folder: str, samples: int) -> str:
    """Write the demo into a new or empty folder; returns the path of the config.

    Raises:
        ConfigError: if the folder has something in it.
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        msg = f"expected a new or empty folder for the demo, but {folder!r} has something in it"
        raise ConfigError(msg)
    (root / "data").mkdir(parents=True)
    write_shards(root / "data", samples)
    for name, blur, bias in (("v1", 7, 0.0), ("v2", 5, -1.5)):
        module = _module(blur, bias)
        tf.saved_model.save(module, str(root / "models" / name), signatures=module.serve)
    config = root / "config.yaml"
    config.write_text(CONFIG.format(folder=folder.rstrip("/"), **_quoted(folder.rstrip("/"))), encoding="utf-8")
    return str(config)


def _quoted(folder: str) -> dict[str, str]:
    """The paths as YAML: quoted only where a folder's name would mean something else."""
    paths = {
        "examples": f"{glob.escape(folder)}/data/*.tfrecord",
        "model": f"{folder}/models/v1",
        "output": f"{folder}/reports",
    }
    return {key: path if _PLAIN.fullmatch(path) else json.dumps(path) for key, path in paths.items()}


def write_shards(folder: Path, samples: int) -> None:
    """Sample i goes to shard i modulo SHARDS."""
    files = [f"{folder}/val-{i:05d}-of-{SHARDS:05d}.tfrecord" for i in range(SHARDS)]
    parts: list[list[bytes]] = [[] for _ in files]
    for i, example in enumerate(_examples(samples)):
        parts[i % SHARDS].append(tfrecord.frame(example))
    for path, part in zip(files, parts, strict=True):
        with filesystems.committing(path) as file:
            file.write(b"".join(part))


def _examples(samples: int) -> Iterator[bytes]:
    rng = np.random.default_rng(SEED)
    for i in range(samples):
        site = list(SITES)[int(rng.random() < 0.3)]  # noqa: PLR2004
        image, mask = scene(rng, SITES[site])
        features = {
            "image/encoded": tf.io.encode_png(image).numpy(),
            "image/filename": f"scene-{i:04d}.png".encode(),
            "image/segmentation/class/encoded": tf.io.encode_png(mask[..., np.newaxis]).numpy(),
            "site": site.encode(),
        }
        wrapped = {k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for k, v in features.items()}
        yield tf.train.Example(features=tf.train.Features(feature=wrapped)).SerializeToString()


def scene(rng: np.random.Generator, light: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image, uint8 `[SIZE, SIZE, 3]`, and its mask of class ids, uint8 `[SIZE, SIZE]`."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for class_id in (1, 2):
        for _ in range(rng.integers(0, 3)):
            (y, x), radius = rng.integers(12, SIZE - 12, 2), rng.integers(5, 24)
            away = (abs(rows - y), abs(columns - x))
            inside = np.hypot(*away) <= radius if class_id == 1 else np.maximum(*away) <= radius
            mask[inside] = class_id
    clean = COLOURS[mask] * light
    noisy = np.clip(clean + rng.normal(0.0, _NOISE, clean.shape), 0, 1)
    return np.round(noisy * 255).astype(np.uint8), mask


def _module(blur: int, square_bias: float) -> Any:  # noqa: ANN401 - a tf.Module of a class made here
    class ColourModel(tf.Module):
        """Softmax over the distance of each blurred pixel to the classes' colours."""

        def __init__(self) -> None:
            super().__init__()
            self.colours = tf.Variable(COLOURS * np.float32(np.mean(list(SITES.values()))))
            self.bias = tf.Variable([0.0, 0.0, square_bias])

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            smooth = tf.nn.avg_pool2d(images, blur, 1, "SAME")
            distance = tf.reduce_sum((smooth[..., tf.newaxis, :] - self.colours) ** 2, -1)
            return {"probabilities": tf.nn.softmax(self.bias - 60.0 * distance)}

    return ColourModel()
