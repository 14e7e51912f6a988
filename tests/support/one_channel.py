"""The demo as a one-channel model sees it: a sigmoid for cars, and everything else is background."""

from pathlib import Path

import tensorflow as tf
import yaml

from dicebeam.components.explore import demo, demo_data
from tests.support import builders

CHANGES = {
    "classes": ["background", "car"],
    "mask_values": {0: 0, 1: 1, 2: 0, 3: 0},
    "output_kind": "sigmoid",
    "bootstrap": {"replicates": 100},
}


def make(folder: Path, samples: int) -> None:
    """Write the demo with models of one channel in the place of its own; `v2` is shyer of cars."""
    config = Path(demo.make(str(folder), samples))
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **CHANGES}))
    for name, shyness in (("v1", 0.0), ("v2", 4.0)):
        (folder / "models" / name).rename(folder / "models" / f"{name}-of-four-classes")
        builders.save_model(folder / "models" / name, car_model(shyness), builders.images_spec())


def car_model(shyness: float):
    def serve(images):
        smooth = tf.nn.avg_pool2d(images, 7, 1, "SAME")
        distance = tf.reduce_sum((smooth[..., tf.newaxis, :] - 0.9 * demo_data.COLOURS) ** 2, -1)
        others = tf.minimum(distance[..., :1], tf.reduce_min(distance[..., 2:], -1, keepdims=True))
        return {"car": tf.sigmoid(60.0 * (others - distance[..., 1:2]) - shyness)}

    return serve
