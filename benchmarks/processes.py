"""Whole processes, measured from outside: seconds and peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Environment that gives TensorFlow one thread in a process and in the worker processes that it starts."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Wall seconds and peak resident bytes of one finished process, and CPU seconds with those it waited for."""

    seconds: float
    peak_bytes: int
    cpu_seconds: float


def run(command: Sequence[str]) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: if it fails; with its standard error.
    """
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{error.decode(errors='replace')[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(time.monotonic() - began, usage.ru_maxrss * 1024, cpu)


def evaluate_command(examples: str, model: str, output: str, classes: Sequence[str]) -> list[str]:
    """`dicebeam evaluate` of an otherwise empty config, as a command."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        json.dump({"examples": examples, "model": model, "output": output, "classes": list(classes)}, file)
    return [sys.executable, "-m", "dicebeam", "evaluate", file.name]
