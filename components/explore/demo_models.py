"""The two models of the demo. Both compare blurred colours with those of the classes; neither was trained.

`v2` is a worse `v1`: it is shy of persons in dim images, as site `south` has them, and is the same in all others. So
the mean over all samples falls a little, and one class at one site falls much.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from .demo_data import CLASSES, COLOURS, LIGHT

_BLUR, _SHARPNESS = 7, 60.0
_DIM = 0.39
"""An image whose mean is below is dim: between the means of the sites."""


def save_models(folder: Path) -> None:
    """Write the SavedModels `v1` and `v2` into a folder."""
    for name, shyness in (("v1", 0.0), ("v2", 4.0)):
        module = _module(shyness)
        tf.saved_model.save(module, str(folder / name), signatures=module.serve)


def _module(shyness: float) -> Any:  # noqa: ANN401 - a tf.Module of a class made here
    class ColourModel(tf.Module):
        """Softmax over the distance of each blurred pixel to the classes' colours in the sites' mean light."""

        def __init__(self) -> None:
            super().__init__()
            self.colours = tf.Variable(COLOURS * np.float32(np.mean(list(LIGHT.values()))))
            self.shyness = tf.Variable([shyness if name == "person" else 0.0 for name in CLASSES])

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")])
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            smooth = tf.nn.avg_pool2d(images, _BLUR, 1, "SAME")
            distance = tf.reduce_sum((smooth[..., tf.newaxis, :] - self.colours) ** 2, -1)
            dim = tf.cast(tf.reduce_mean(images, [1, 2, 3], keepdims=True) < _DIM, tf.float32)
            return {"probabilities": tf.nn.softmax(-_SHARPNESS * distance - dim * self.shyness)}

    return ColourModel()
