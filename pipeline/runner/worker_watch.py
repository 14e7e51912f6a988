"""Worker processes of the embedded runner: one that dies ends the run at once, and none is left behind.

Beam's own handler notices a dead worker when the data channel breaks, if it ever was open, and not before the other
workers have finished what they are at; and it waits for them when the run is interrupted.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from apache_beam.portability import python_urns
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)
from google.protobuf import json_format, text_format

from ...schemas.errors import WorkerError

GRACE_SECONDS = 10.0
"""What a worker may take to end by itself after a run that went well."""
AGAIN_SECONDS = 0.2


class Watch:
    """The worker processes of one run, and the first of them that died."""

    def __init__(self) -> None:
        self.death: WorkerError | None = None
        self._handlers: list[_WatchedHandler] = []
        self._lock = threading.Lock()

    def add(self, handler: "_WatchedHandler") -> None:
        """Watch one more worker, and stop it too if another has died before."""
        with self._lock:
            self._handlers.append(handler)
            if self.death is not None:
                handler.give_up(self.death)

    def died(self, description: str) -> None:
        """Stop every worker: nobody waits for what the others are at."""
        with self._lock:
            if self.death is None:
                self.death = WorkerError(description)
                for handler in self._handlers:
                    handler.give_up(self.death)


class _WatchedHandler(SubprocessSdkWorkerHandler):
    """Beam's handler of a worker process, with an eye on it."""

    def __init__(self, watch: Watch, *arguments: Any) -> None:  # noqa: ANN401 - Beam's own
        super().__init__(*arguments)
        self._watch = watch
        self._closing = threading.Event()

    def start_worker(self) -> None:
        # a session of its own: Ctrl-C in a terminal reaches this process alone, which then ends the workers
        self._process = subprocess.Popen(  # noqa: S603 - Beam's command: this Python, Beam's module
            shlex.split(self._worker_command_line.decode()), env=self._environment(), start_new_session=True
        )
        self.worker_thread = threading.Thread(name="dicebeam-worker-watch", target=self._wait, daemon=True)
        self.worker_thread.start()
        self._watch.add(self)

    def _environment(self) -> dict[str, str]:
        def address(url: str) -> str:
            return str(text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url)))

        options = json_format.MessageToJson(self.provision_info.provision_info.pipeline_options)
        return os.environ | {
            "CONTROL_API_SERVICE_DESCRIPTOR": address(self.control_address),
            "LOGGING_API_SERVICE_DESCRIPTOR": address(self.logging_api_service_descriptor().url),
            "PIPELINE_OPTIONS": options,
            "WORKER_ID": self.worker_id,
        }

    def _wait(self) -> None:
        code = self._process.wait()
        if self._closing.is_set():
            return
        self._watch.died(_description(self._process.pid, code))
        while not self._closing.wait(AGAIN_SECONDS):  # what the runner asks of a dead worker later fails as well
            self._abort()

    def give_up(self, error: WorkerError) -> None:
        """End the process, and what the runner waits for from it."""
        self._error = error
        self._kill()
        self._abort()
        with contextlib.suppress(Exception):  # of any kind: where the stream is broken, closing raises what broke it
            self.data_conn.close()

    def _abort(self) -> None:
        with contextlib.suppress(RuntimeError):  # the runner added to what is walked over here; next time then
            self.control_conn.abort(self._error)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """End the worker: by itself after a run that went well, else at once."""
        self._closing.set()
        if sys.exc_info()[0] is not None:  # the runner closes its workers while an error is on its way
            self._kill()
        timer = threading.Timer(GRACE_SECONDS, self._kill)
        timer.daemon = True
        timer.start()
        super().close()
        timer.cancel()


def _description(pid: int, code: int) -> str:
    how = f"exited with code {code}" if code >= 0 else f"was ended by the signal {_signal_name(-code)}"
    if code == -signal.SIGKILL:
        how += " (Linux does that where memory runs short: take fewer workers, or free memory)"
    return f"worker process {pid} {how} before its work was done; the same --run-id resumes the run"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the workers that the embedded runner starts in the block.

    Raises:
        WorkerError: in place of whatever the block raises, if one of them died.
    """
    watch, own_hook = Watch(), threading.excepthook

    def hook(arguments: Any) -> None:  # noqa: ANN401 - has no public type
        """A stream to a process that was killed is broken: the threads that read it end with nothing to say."""
        if not issubclass(arguments.exc_type, grpc.RpcError):
            own_hook(arguments)

    kind = python_urns.SUBPROCESS_SDK, bytes
    WorkerHandler.register_environment(*kind)(lambda *arguments: _WatchedHandler(watch, *arguments))
    threading.excepthook = hook
    try:
        yield watch
    except Exception as error:
        if watch.death is not None:
            raise watch.death from error
        raise
    finally:
        threading.excepthook = own_hook
        WorkerHandler.register_environment(*kind)(SubprocessSdkWorkerHandler)
