"""Our own flags among Beam's, of the devices that models run on: where and how fast, never what."""

import uuid
from argparse import ArgumentParser

from apache_beam.options.pipeline_options import PipelineOptions

from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import ConfigError

REQUIRE_GPU = "--require_gpu"
MOST_COPIES = 64


class DeviceOptions(PipelineOptions):
    """What Beam shows and passes on as its own options."""

    @classmethod
    def _add_argparse_args(cls, parser: ArgumentParser) -> None:
        parser.add_argument(
            REQUIRE_GPU,
            "--require-gpu",
            action="store_true",
            default=False,
            help="A worker that is to load the model and sees no GPU ends the run.",
        )
        parser.add_argument(
            "--model_copies",
            default=None,
            help="Processes for each GPU (or machine) that load the model; the others send them their batches.",
        )
        parser.add_argument(
            "--gpu_memory_mb", default=None, help="MiB of its GPU that a process may take; grows as needed without it."
        )


def settings(options: PipelineOptions) -> DeviceSettings:
    """What the flags say, for the scoring stage, which takes it to its workers on every engine.

    Raises:
        ConfigError: if a number is none.
    """
    given = options.view_as(DeviceOptions)
    copies = _number("--model_copies", given.model_copies, MOST_COPIES)
    return DeviceSettings(
        require_gpu=bool(given.require_gpu),
        model_copies=copies,
        gpu_memory_mb=_number("--gpu_memory_mb", given.gpu_memory_mb, 1 << 24),
        share=uuid.uuid4().hex[:12] if copies else "",
    )


def _number(flag: str, value: str | int | None, most: int) -> int | None:
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise ConfigError(f"{flag}: expected a whole number from 1 to {most:,}, but got {text!r}")
    return int(text)
