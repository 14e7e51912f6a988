"""How a command ends before its time: on a signal as on Ctrl-C, and also where a model does not come back."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ...components.runtime import time_limit
from ..runner import jobs
from . import output_streams

_AS_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Which signal stopped a command; Ctrl-C unless another one came."""

    def __init__(self) -> None:
        self.number = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """As a shell counts a process that a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Do what Ctrl-C does."""
        self.number = signal.Signals(number)
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Stop]:
    """In the block SIGTERM and SIGHUP raise KeyboardInterrupt, unless the process was told to ignore them."""
    stop = Stop()
    own: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():  # Python lets no other thread set handlers
        own = [number for number in _AS_CTRL_C if signal.getsignal(number) is signal.SIG_DFL]
    for number in own:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)


def leave(code: object) -> None:
    """End the process at once if a call of the model or a cancelled job still runs in it, or output was lost.

    Python cannot end such threads and would wait for some of them, and what TensorFlow does when it is torn down under
    a call is its own affair: it may wait.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a reader of a query that has seen enough
            stream.flush()
    if not (time_limit.still_running() or jobs.left_behind() or output_streams.lost()):
        return
    threading.excepthook = lambda _: None  # threads that read from a server which is stopped now have nothing to say
    jobs.stop_servers()
    os._exit(code if isinstance(code, int) else int(code is not None))
