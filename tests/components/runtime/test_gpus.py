"""GPUs that are not here: TensorFlow's own rules for devices, over a list of devices that is made up."""

import logging
import os
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from dicebeam.components.runtime import gpus, private_folder, process_slots
from dicebeam.pipeline.preflight import findings
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.devices import DeviceSettings
from dicebeam.schemas.errors import DeviceError
from tests.support import builders
from tests.support.evaluating import evaluate

LIMITED = DeviceSettings(gpu_memory_mb=4096)
USED_BEFORE = object()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with so many GPUs, in a process that has not used TensorFlow yet. No op can run on it."""
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(process_slots, "_held", {})
    monkeypatch.setattr(gpus, "_place", [])

    def machine(count):
        made = context.Context()
        devices = [("CPU", 0), *(("GPU", i) for i in range(count))]
        made._physical_devices = [context.PhysicalDevice(f"/physical_device:{kind}:{i}", kind) for kind, i in devices]
        made._visible_device_list = list(made._physical_devices)
        made._memory_growth_map, made._pluggable_devices = dict.fromkeys(made._physical_devices, False), []
        made._virtual_device_map = {}
        monkeypatch.setattr(context, "_context", made)
        return made

    return machine


def next_process(monkeypatch):
    """What follows is done by another process of the same machine."""
    monkeypatch.setattr(gpus, "_place", [])


def visible():
    return [device.name for device in tf.config.get_visible_devices("GPU")]


def grows(index=0):
    return tf.config.experimental.get_memory_growth(tf.config.list_physical_devices("GPU")[index])


# none


def test_a_machine_without_gpus_is_left_alone(machine):
    machine(0)
    gpus.prepare(DeviceSettings())
    gpus.hide(DeviceSettings())
    assert visible() == []


def test_a_gpu_that_is_required_and_is_not_there(machine, monkeypatch):
    machine(0)
    monkeypatch.setenv(gpus.VISIBLE, "-1")
    expected = (
        rf"^expected a GPU on {os.uname().nodename} \(--require-gpu\), but TensorFlow {tf.__version__} sees only CPU:0"
        ": it is built with.* CUDA_VISIBLE_DEVICES='-1' .*; unset it to see all. Fix that and use the same --run-id"
    )
    with pytest.raises(DeviceError, match=expected) as raised:
        gpus.prepare(DeviceSettings(require_gpu=True))
    assert "\n" not in str(raised.value)  # runners hand one line on


@pytest.mark.parametrize(
    ("built_with_cuda", "visible", "driver", "said"),
    [
        (False, "-1", True, r"built without CUDA; install tensorflow\[and-cuda\]"),
        (True, "", True, "CUDA_VISIBLE_DEVICES='' says which"),
        (True, None, True, "an NVIDIA driver is there, so CUDA's libraries are missing"),
        (True, None, False, "there is no NVIDIA driver .*install-nvidia-driver"),
    ],
)
def test_the_reason_is_the_first_that_stands_in_the_way(built_with_cuda, visible, driver, said):
    found = gpus.reason(built_with_cuda=built_with_cuda, visible=visible, driver=driver)
    assert re.search(said, found), found


# memory


def test_memory_grows_as_it_is_needed(machine):
    machine(1)
    gpus.prepare(DeviceSettings(require_gpu=True))
    assert grows() is True


def test_a_limit_is_one_logical_device_of_that_size(machine):
    machine(1)
    gpus.prepare(LIMITED)
    (gpu,) = tf.config.list_physical_devices("GPU")
    assert [part.memory_limit for part in tf.config.get_logical_device_configuration(gpu)] == [4096]
    assert not grows()


def test_a_second_call_changes_nothing_even_after_the_first_op(machine):
    made = machine(2)
    gpus.prepare(DeviceSettings())
    made._context_handle = USED_BEFORE
    gpus.prepare(DeviceSettings())
    gpus.prepare(DeviceSettings(), place=1)
    assert visible() == ["/physical_device:GPU:0"]


@pytest.mark.parametrize("count", [1, 2])
def test_after_somebody_elses_first_op_the_run_goes_on_with_a_warning(machine, caplog, count):
    machine(count)._context_handle = USED_BEFORE
    with caplog.at_level(logging.WARNING):
        gpus.prepare(DeviceSettings(require_gpu=True))
    assert "its GPU memory stays as it is" in caplog.text
    assert not grows()


@pytest.mark.parametrize("asked", [LIMITED, DeviceSettings(model_copies=1, share="s")])
def test_what_a_flag_asks_for_and_comes_too_late_is_an_error(machine, asked):
    machine(1)._context_handle = USED_BEFORE
    with pytest.raises(
        DeviceError, match=r"before TensorFlow's first GPU op, but .* \(.*after being initialized\); st"
    ):
        gpus.prepare(asked)


def test_a_limit_after_growth_was_set_is_an_error_once_tensorflow_is_in_use(machine):
    made = machine(1)
    gpus.prepare(DeviceSettings())
    made._context_handle = USED_BEFORE
    with pytest.raises(DeviceError, match="start the evaluation in a process of its own"):
        gpus.prepare(LIMITED)


# several


@pytest.mark.parametrize(("count", "expected"), [(1, [0] * 5), (2, [0, 1, 0, 1, 0]), (4, [0, 1, 2, 3, 0])])
def test_processes_go_round_the_gpus(machine, monkeypatch, count, expected):
    taken = []
    for _ in range(5):
        machine(count)
        next_process(monkeypatch)
        gpus.prepare(DeviceSettings())
        taken += visible()
    assert taken == [f"/physical_device:GPU:{index}" for index in expected]


def test_with_one_gpu_no_file_is_made(machine, tmp_path):
    machine(1)
    gpus.prepare(DeviceSettings())
    assert list(tmp_path.iterdir()) == []


def test_the_gpu_of_a_process_that_has_ended_is_taken_next(machine, monkeypatch, tmp_path):
    for _ in range(3):
        machine(3)
        next_process(monkeypatch)
        gpus.prepare(DeviceSettings())
    process_slots.release(tmp_path / f"dicebeam-gpus-{os.getuid()}", 1)
    machine(3)
    next_process(monkeypatch)
    gpus.prepare(DeviceSettings())
    assert visible() == ["/physical_device:GPU:1"]


def test_a_place_that_is_given_is_taken(machine):
    machine(2)
    gpus.prepare(DeviceSettings(), place=3)
    assert visible() == ["/physical_device:GPU:1"]


def test_a_process_without_a_model_sees_no_gpu(machine):
    machine(2)
    gpus.hide(DeviceSettings(model_copies=1, share="s"))
    assert visible() == []


def test_what_was_hidden_is_not_taken_back_by_a_model_that_is_loaded_here(machine, caplog):
    """Whoever plans a run tries the model as well, on the CPU."""
    machine(1)
    gpus.hide(DeviceSettings())
    with caplog.at_level(logging.WARNING):
        gpus.prepare(DeviceSettings())
    assert visible() == []
    assert "its GPUs are hidden" in caplog.text


# the order: what a process does before it prepares its GPU


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not used TensorFlow yet, and in which an op can run; gives whether one has."""
    made = context.Context()
    monkeypatch.setattr(context, "_context", made)
    return lambda: made._context_handle is not None


@pytest.fixture
def settings(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    builders.write_shard(tmp_path / "part", [builders.sample(image, image[..., 0])])
    model = builders.save_model(
        tmp_path / "model", lambda images: {"p": tf.nn.softmax(images[..., :2])}, builders.images_spec()
    )
    return {"examples": f"{tmp_path}/part", "model": model, "output": f"{tmp_path}/out", "classes": ["a", "b"]}


class PreparedError(DeviceError):
    """Raised in the place of going on, when the GPU is to be prepared."""


@pytest.mark.parametrize(
    "start",
    [
        evaluate,
        lambda config: evaluate(config, None, ["--model_copies=1"]),
        lambda config: list(findings.findings(Config.model_validate(config), [])),
    ],
    ids=["evaluate", "evaluate with copies", "preflight"],
)
def test_no_op_runs_before_the_memory_is_set(settings, fresh, monkeypatch, start):
    used = []

    def prepare(*_):
        used.append(fresh())
        raise PreparedError("here")

    monkeypatch.setattr(gpus, "prepare", prepare)
    with pytest.raises(DeviceError, match="here"):
        start(settings)
    assert used == [False]
    tf.constant([1.0]) + 1.0
    assert fresh()
