"""MirroredStrategy needs its devices before TensorFlow starts, hence a process of its own."""

import subprocess
import sys

SCRIPT = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import pytest
from dicebeam import losses
from tests.components.test_losses import IDS, IMAGES, compiled

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope() as strategy:
    mirrored = compiled(losses.DiceCrossEntropy(from_logits="softmax"), jit_compile=False)
assert mirrored.distribute_strategy.num_replicas_in_sync == 2
single = compiled(losses.DiceCrossEntropy(from_logits="softmax"), jit_compile=False)
for made in (mirrored, single):
    made.fit(IMAGES, IDS, batch_size=4, shuffle=False, verbose=0)
got, expected = (
    made.evaluate(IMAGES, IDS, batch_size=4, verbose=0, return_dict=True) for made in (mirrored, single)
)
assert got == pytest.approx(expected, rel=1e-5), (got, expected)
print("equal")
"""


def test_two_replicas_learn_and_score_as_one():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip().endswith("equal")
