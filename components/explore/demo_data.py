"""The records of the demo: coloured shapes on noisy ground, of some patients from two sites and three scanners.

Cars are wide boxes, persons tall ellipses, bicycles rings. The light is weak at site `south`, scanner 3 is noisy, and
colours are pale in the images of old patients. Every eleventh image is hard, with little colour left, and every
ninth is empty: nothing but background.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..reading import tfrecord
from ..storage import filesystems

CLASSES = ("background", "car", "person", "bicycle")
COLOURS = np.array(
    [[0.45, 0.45, 0.40], [0.75, 0.35, 0.30], [0.30, 0.40, 0.75], [0.35, 0.72, 0.35]],
    np.float32,
)
LIGHT = {"north": 1.0, "south": 0.8}
"""How bright a site's images are."""
NOISE = {1: 0.10, 2: 0.12, 3: 0.16}
"""Standard deviation of a scanner's noise."""
SIZE, SHARDS = 128, 4
_OLD, _PALE, _HARD = 60, 0.85, 0.5
_SCENES, _PATIENTS = 20, 21
"""Seeds."""


@dataclass(frozen=True)
class Patient:
    """What all images of a patient share."""

    name: str
    site: str
    scanner: int
    age: int


def write_shards(folder: Path, samples: int) -> None:
    """Sample i goes to shard i modulo SHARDS, and is the same in a data set of any size."""
    files = [f"{folder}/val-{i:05d}-of-{SHARDS:05d}.tfrecord" for i in range(SHARDS)]
    framed = [tfrecord.frame(example) for example in _examples(samples)]
    for i, path in enumerate(files):
        with filesystems.committing(path) as file:
            file.write(b"".join(framed[i::SHARDS]))


def _examples(samples: int) -> Iterator[bytes]:
    for i in range(samples):
        patient = _patient(2 * i // 5)  # three images of one, two of the next
        image, mask = scene(i, patient)
        features = {
            "image/encoded": _bytes(tf.io.encode_png(image).numpy()),
            "image/filename": _bytes(f"scene-{i:04d}.png".encode()),
            "image/segmentation/class/encoded": _bytes(tf.io.encode_png(mask[..., np.newaxis]).numpy()),
            "site": _bytes(patient.site.encode()),
            "scanner": _integer(patient.scanner),
            "age": _integer(patient.age),
            "patient": _bytes(patient.name.encode()),
        }
        yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _patient(number: int) -> Patient:
    rng = np.random.default_rng([_PATIENTS, number])
    site = list(LIGHT)[int(rng.integers(len(LIGHT)))]
    return Patient(f"p{number:03d}", site, int(rng.choice(list(NOISE))), int(rng.integers(20, 90)))


def scene(number: int, patient: Patient) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image, uint8 `[SIZE, SIZE, 3]`, and its mask of class ids, uint8 `[SIZE, SIZE]`."""
    rng = np.random.default_rng([_SCENES, number])
    mask = np.zeros((SIZE, SIZE), np.uint8)
    if number % 9 != 8:  # noqa: PLR2004 - the ninth of nine
        for class_id in rng.permutation(range(1, len(CLASSES))):
            for _ in range(rng.integers(0, 3)):
                _draw(mask, int(class_id), rng)
    saturation = (_PALE if patient.age >= _OLD else 1.0) * (_HARD if number % 11 == 10 else 1.0)  # noqa: PLR2004
    colours = COLOURS[0] + saturation * (COLOURS - COLOURS[0])
    clean = colours[mask] * LIGHT[patient.site]
    noisy = np.clip(clean + rng.normal(0.0, NOISE[patient.scanner], clean.shape), 0, 1)
    return np.round(noisy * 255).astype(np.uint8), mask


def _draw(mask: NDArray[np.uint8], class_id: int, rng: np.random.Generator) -> None:
    """Add one object of a class to a mask, over what is there."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    (y, x), radius = rng.integers(12, SIZE - 12, 2), int(rng.integers(8, 25))
    down, across = abs(rows - y), abs(columns - x)
    if class_id == 1:
        inside = np.maximum(1.6 * down, across) <= radius
    elif class_id == 2:  # noqa: PLR2004
        inside = np.hypot(down, 1.6 * across) <= radius
    else:
        inside = abs(np.hypot(down, across) - 0.65 * radius) <= 0.35 * radius
    mask[inside] = class_id
