"""Where a model runs on a worker. It decides how fast a number comes, never which."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What a process does with the GPUs of its machine.

    require_gpu: a process that is to load the model and sees no GPU ends the run.
    model_copies: on each GPU (on the machine, where it has none) so many processes load the model, and the others send
        them their batches. None: every process loads the model for itself.
    gpu_memory_mb: MiB of its GPU that a process may take. None: as much as it comes to need.
    share: names this run's copies on a machine; needed with model_copies.
    """

    require_gpu: bool = False
    model_copies: int | None = None
    gpu_memory_mb: int | None = None
    share: str = ""
