"""Keep the libraries' notices off the terminal; what matters comes back as an error or a table."""

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ..runner import jobs

_JOB_SERVERS = ("PrismJobServer", "FlinkJarJobServer", "SparkJarJobServer")
"""Loggers of what Beam starts as a process and whose output it logs."""


def set_logging(*, verbose: bool) -> None:
    """Set what Python's libraries log from here on."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
    else:
        logging.basicConfig(level=logging.ERROR)
        logging.getLogger().setLevel(logging.ERROR)
        # what a runner logs as an error it raises as well, and that is what the user is told
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        for name in _JOB_SERVERS:  # of which Beam sets the level itself
            server = logging.getLogger(name)
            server.propagate = False
            server.addHandler(logging.NullHandler())


def load_tensorflow(*, verbose: bool) -> None:
    """Import TensorFlow without its notices, and set what is logged from here on."""
    set_logging(verbose=verbose)
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _muted_stderr(verbose=verbose):
        import tensorflow as tf
    tf.get_logger().setLevel("INFO" if verbose else "ERROR")


def load_transform(*, verbose: bool) -> None:
    """Import TensorFlow and tensorflow-transform without their notices, and set what is logged from here on."""
    load_tensorflow(verbose=verbose)
    if not verbose:
        logging.getLogger("absl").setLevel(logging.ERROR)
    with _muted_stderr(verbose=verbose):
        from ...components.dataset import build_transform  # noqa: F401


@contextmanager
def _muted_stderr(*, verbose: bool) -> Iterator[None]:
    """Hold back what is written to file descriptor 2, and show it if the block fails.

    TensorFlow's libraries write notices while they are loaded, before any setting of theirs is read.
    """
    if verbose:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def muted_workers(*, verbose: bool) -> Iterator[None]:
    """Drop what worker processes write to the file descriptor 2 that they share with this one.

    Each of them loads TensorFlow anew, with its notices, and prints errors that come back here as well. What this
    process says still reaches the terminal.
    """
    if verbose:
        yield
        return
    sys.stderr.flush()
    kept, own = os.dup(2), sys.stderr
    with Path(os.devnull).open("wb") as nowhere, os.fdopen(os.dup(kept), "w", buffering=1) as terminal:
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = _without_beam(terminal)
        try:
            yield
        finally:
            sys.stderr = own
            os.dup2(kept, 2)
            os.close(kept)


class _WithoutBeam:
    """A text stream that drops what threads of Beam's worker pools write to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if type(threading.current_thread()).__module__.startswith("apache_beam."):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


@contextmanager
def muted_tracebacks(*, verbose: bool) -> Iterator[None]:
    """Drop the tracebacks that workers in threads of this process print of errors which are raised here as well.

    Where a cancelled job is left behind they stay dropped: its threads go on until the process ends.
    """
    if verbose:
        yield
        return
    own = sys.stderr
    sys.stderr = filtered = _without_beam(own)
    try:
        yield
    finally:
        if sys.stderr is filtered and not jobs.left_behind():
            sys.stderr = own


def _without_beam(stream: TextIO) -> Any:  # noqa: ANN401 - a stream for all who write to it
    return _WithoutBeam(stream)
