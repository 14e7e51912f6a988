"""As many copies of a model on a machine as asked for: a process without one sends its batches to a process with one.

Beam can share a model between processes too (`share_model_across_processes`), and keeps all its copies in whichever
process comes first. Here the first processes hold one each. They listen on a Unix socket in a folder that is this
user's alone, because what arrives is unpickled.
"""

import atexit
import contextlib
import itertools
import os
import shutil
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, Protocol

from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import DeviceError, DicebeamError, WorkerError
from ...schemas.records import Batch, ScoredBatch
from ..runtime import gpus, private_folder, process_slots
from . import model_faults
from .saved_model import ScoreSettings
from .scorer import Scorer

WITHOUT_ANY_SECONDS = 60.0
"""How long a process waits where each that had the model has ended: an engine starts another."""
_FOLDER, _OLD_SECONDS, _AGAIN_SECONDS = "dicebeam-copies", 86_400, 0.05
_LONGEST_SOCKET = 100  # bytes of a path; Linux takes 107
_GONE = (EOFError, OSError)
_lock = threading.Lock()
_here: dict[str, "_Holder | _Asker"] = {}
_own_lock = threading.Lock()
_owned: list[tuple[ScoreSettings, "weakref.ref[Scorer]"]] = []


class Scoring(Protocol):
    """Scores batches, wherever the model is."""

    def score(self, batch: Batch) -> ScoredBatch:
        """As `Scorer.score`."""


def scorer(settings: ScoreSettings) -> Scoring:
    """The model of this process, or the way to one of another process; the same for every thread.

    Raises:
        ModelError: if the model cannot be loaded.
        DeviceError: if the devices are not as asked for.
    """
    if settings.devices.model_copies is None:
        return _own(settings)
    with _lock:
        share = settings.devices.share
        if share not in _here:
            _here[share] = _join(settings)
        return _here[share]


def _own(settings: ScoreSettings) -> Scorer:
    """A model of this process alone; whoever asks with the same settings while somebody has it, gets the same one."""
    with _own_lock:
        for other, scorer in list(_owned):
            found = scorer()
            if found is None:
                _owned.remove((other, scorer))
            elif other == settings:
                return found
        made = Scorer(settings)
        _owned.append((settings, weakref.ref(made)))
        return made


def _join(settings: ScoreSettings) -> "_Holder | _Asker":
    devices = settings.devices
    folder = _folder(devices)
    copies = (devices.model_copies or 1) * max(gpus.count(), 1)
    place = process_slots.claim(folder, copies)
    if place is None:
        gpus.hide(devices)
        return _Asker(folder, settings.model.path)
    try:
        gpus.prepare(devices, place)
        return _Holder(Scorer(settings), folder / f"{place}.socket")
    except BaseException:
        process_slots.release(folder, place)
        raise


class _Holder:
    """A model that other processes may ask as well, until this process ends."""

    def __init__(self, own: Scorer, path: Path) -> None:
        self._own = own
        path.unlink(missing_ok=True)  # of a process that was killed
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        atexit.register(path.unlink, missing_ok=True)
        threading.Thread(target=self._listen, name="dicebeam-copies", daemon=True).start()

    def score(self, batch: Batch) -> ScoredBatch:
        """Score here."""
        return self._own.score(batch)

    def _listen(self) -> None:
        while True:
            try:
                accepted = self._socket.accept()[0]
                accepted.settimeout(None)  # Beam gives all sockets a timeout with Google's credentials
                connection = Connection(accepted.detach())
            except OSError:  # too many files, or who asked is gone already
                time.sleep(_AGAIN_SECONDS)
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: "Connection[Any, Any]") -> None:
        with connection, contextlib.suppress(*_GONE):
            try:
                batch = connection.recv()
            except MemoryError as error:
                connection.send(_failed("a batch that came", error))
                return
            connection.send(self._outcome(batch))

    def _outcome(self, batch: Batch) -> ScoredBatch | DicebeamError:
        try:
            return self._own.score(batch)
        except DicebeamError as error:
            return error
        except Exception as error:  # noqa: BLE001 - not every library's error can be sent; who asked raises it
            return _failed(model_faults.where(batch.samples) if batch.samples else batch.shard.path, error)


def _failed(place: str, error: Exception) -> WorkerError:
    said = (str(error).splitlines() or [""])[0]
    return WorkerError(
        f"the process that has the model failed on {place}: {type(error).__name__}: {said}. That says nothing about "
        "the records: none of them is counted as failed, and the same --run-id resumes the run"
    )


class _Asker:
    """The models of other processes, asked in turn."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder, self._model = folder, model
        self._turn = itertools.count(os.getpid())

    def score(self, batch: Batch) -> ScoredBatch:
        """Score in another process; where that ends meanwhile, in the next.

        Raises:
            WorkerError: if all of them ended.
        """
        until = time.monotonic() + WITHOUT_ANY_SECONDS
        while True:
            for path in self._sockets():
                with contextlib.suppress(*_GONE):
                    return _asked(path, batch)
            if process_slots.any_taken(self._folder):  # it is loading the model
                until = time.monotonic() + WITHOUT_ANY_SECONDS
            if time.monotonic() > until:
                msg = (
                    f"model {self._model}: expected a process on this machine that has it (--model_copies), but each "
                    "of them has ended; the same --run-id resumes the run"
                )
                raise WorkerError(msg)
            time.sleep(_AGAIN_SECONDS)

    def _sockets(self) -> Iterator[Path]:
        paths = sorted(self._folder.glob("*.socket"))
        first = next(self._turn) % max(len(paths), 1)
        yield from (*paths[first:], *paths[:first])


def _asked(path: Path, batch: Batch) -> ScoredBatch:
    with Client(str(path), "AF_UNIX") as connection:
        connection.send(batch)
        answer = connection.recv()
    if isinstance(answer, Exception):
        raise answer
    scored: ScoredBatch = answer
    return scored


def _folder(devices: DeviceSettings) -> Path:
    """The folder of this run's copies; what runs that are over have left is removed after a day."""
    root = private_folder.make(_FOLDER)
    for other in root.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process may be first
            if time.time() - other.stat().st_mtime > _OLD_SECONDS and not process_slots.any_taken(other):
                shutil.rmtree(other, ignore_errors=True)
    folder = root / devices.share
    folder.mkdir(mode=0o700, exist_ok=True)
    if len(os.fsencode(folder / "00.socket")) > _LONGEST_SOCKET:
        msg = f"expected a path of at most {_LONGEST_SOCKET} bytes for a socket below {folder}; set TMPDIR to a shorter"
        raise DeviceError(msg)
    return folder
