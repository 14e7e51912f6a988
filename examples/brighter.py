"""The shards of a folder again, with brighter images and the same masks: what a scanner that was serviced sends.

    python -m examples.brighter demo/data demo/bright 1.3

Each record of FROM/*.tfrecord is copied to a shard of the same name in TO; the pixels of `image/encoded` are multiplied
by the factor, rounded, and cut at 255. docs/guide/drift.md shows what the gate says of such a night.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dicebeam.components.reading import tfrecord


def brighten(example: bytes, factor: float) -> bytes:
    """A serialized tf.Example with its 8-bit PNG image brightened and everything else as it was."""
    parsed = tf.train.Example.FromString(example)
    encoded = parsed.features.feature["image/encoded"].bytes_list
    image = tf.io.decode_png(encoded.value[0]).numpy().astype(np.float64)
    encoded.value[0] = tf.io.encode_png(np.minimum(np.round(image * factor), 255).astype(np.uint8)).numpy()
    return parsed.SerializeToString()


def copy(source: Path, target: Path, factor: float) -> int:
    """Write every shard of a folder again, brighter; returns how many there are."""
    target.mkdir(parents=True)
    shards = sorted(source.glob("*.tfrecord"))
    for shard in shards:
        records = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
        (target / shard.name).write_bytes(b"".join(tfrecord.frame(brighten(each, factor)) for each in records))
    return len(shards)


if __name__ == "__main__":
    source, target, factor = sys.argv[1:]
    sys.stdout.write(f"wrote {copy(Path(source), Path(target), float(factor))} shards to {target}\n")
