"""The GPU of this process: which one of several, how much of its memory, and what to say where there is none.

TensorFlow takes all memory of all GPUs with its first op, and lets nothing be changed from then on: `prepare` comes
before it.
"""

import logging
import os
import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import DeviceError
from . import private_folder, process_slots

VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/version")
_log = logging.getLogger(__name__)
_lock = threading.Lock()
_place: list[int] = []
"""The number of this process among those that use the machine's GPUs, once it has one."""


def prepare(settings: DeviceSettings, place: int | None = None) -> None:
    """Choose this process's GPU and leave its memory to others; the second call of a process changes nothing.

    Args:
        settings: what is asked for.
        place: number of this process among those of the machine; None takes the next free one where it matters.

    Raises:
        DeviceError: if a GPU is required and there is none, or what is asked for comes too late.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if settings.require_gpu and not gpus:
        raise DeviceError(missing())
    if not gpus:
        return
    with _lock:
        if not _place:
            _place.append(_next_place(len(gpus)) if place is None else place)
        mine = gpus[index_for(_place[0], len(gpus))]
        _before_first_op(settings, lambda: _take(mine, settings.gpu_memory_mb))


def hide(settings: DeviceSettings) -> None:
    """Keep this process, which has no model, from taking memory of a GPU for its other ops.

    Raises:
        DeviceError: if it comes too late.
    """
    if tf.config.list_physical_devices("GPU"):
        _before_first_op(settings, lambda: tf.config.set_visible_devices([], "GPU"))


def index_for(place: int, count: int) -> int:
    """Which of a machine's GPUs a process takes: they go round, so that no GPU has two more processes than another."""
    return place % count


def count() -> int:
    """GPUs of this machine that TensorFlow sees."""
    return len(tf.config.list_physical_devices("GPU"))


def missing() -> str:
    """What to say where a GPU is required and there is none: what was looked at, the likely reason, the remedy."""
    return (
        f"expected a GPU on {platform.node()} (--require-gpu), but TensorFlow {tf.__version__} sees only "
        f"{_names(tf.config.list_physical_devices())}: "
        f"{reason(built_with_cuda=tf.test.is_built_with_cuda(), visible=os.environ.get(VISIBLE), driver=_driver())}. "
        "Fix that and use the same --run-id, or leave --require-gpu out to score on the CPU"
    )


def reason(*, built_with_cuda: bool, visible: str | None, driver: bool) -> str:
    """Why TensorFlow sees no GPU, as far as can be known without one."""
    if not built_with_cuda:
        return "this TensorFlow is built without CUDA; install tensorflow[and-cuda]"
    if visible is not None:
        return f"it is built with CUDA, and {VISIBLE}={visible!r} says which GPUs it may see; unset it to see all"
    if driver:
        return (
            "it is built with CUDA, and an NVIDIA driver is there, so CUDA's libraries are missing, or do not go with "
            "the driver; install tensorflow[and-cuda], or take deploy/dataflow's image"
        )
    return (
        f"it is built with CUDA, and there is no NVIDIA driver ({_DRIVER}); install one, give the container the GPU, "
        "or on Dataflow add install-nvidia-driver to worker_accelerator"
    )


def _names(devices: Sequence[Any]) -> str:
    return ", ".join(device.name.removeprefix("/physical_device:") for device in devices) or "no device at all"


def _driver() -> bool:
    return _DRIVER.exists()


def _next_place(gpus: int) -> int:
    """With one GPU there is nothing to choose, and no file is locked."""
    if gpus == 1:
        return 0
    place = process_slots.claim(private_folder.make("dicebeam-gpus"))
    return 0 if place is None else place


def _take(gpu: Any, memory_mb: int | None) -> None:  # noqa: ANN401 - TensorFlow's device has no type
    if not tf.config.get_visible_devices("GPU"):
        raise RuntimeError("its GPUs are hidden, for worker processes to take them")
    tf.config.set_visible_devices([gpu], "GPU")
    if memory_mb is None:
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    else:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=memory_mb)
        tf.config.set_logical_device_configuration(gpu, [limit])


def _before_first_op(settings: DeviceSettings, change: Callable[[], None]) -> None:
    """Change TensorFlow's devices; where it is too late, that is an error only for what was asked for by a flag."""
    try:
        change()
    except (RuntimeError, ValueError) as error:  # ValueError: growth, where somebody has set a limit
        if settings.model_copies is not None or settings.gpu_memory_mb is not None:
            msg = (
                "expected to set this process's GPU and memory (--model_copies, --gpu_memory_mb) before TensorFlow's "
                f"first GPU op, but TensorFlow was used before or otherwise in this process ({error}); start the "
                "evaluation in a process of its own"
            )
            raise DeviceError(msg) from error
        _log.warning("TensorFlow was used in this process before: its GPU memory stays as it is (%s)", error)
