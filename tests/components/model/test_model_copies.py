"""One model for several processes: who holds it, who asks, and what becomes of those who ask when it goes away."""

import os
import pickle
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Client, Connection
from pathlib import Path

import numpy as np
import pytest

from dicebeam.components.model import model_copies
from dicebeam.components.model.agreement import Agreement
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.runtime import gpus, private_folder, process_slots
from dicebeam.schemas.config.devices import DeviceSettings
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import ModelSettings
from dicebeam.schemas.errors import DeviceError, ModelError, WorkerError
from dicebeam.schemas.records import Batch, Failure, Lineage, Progress, Sample, ScoredBatch
from dicebeam.schemas.shards import Shard

IMAGE, MASK = np.arange(48, dtype=np.uint8).reshape(4, 4, 3), np.eye(4, dtype=np.uint8)


class Scorer:
    """Says which copy answered, and what arrived; fails on some indexes."""

    made = 0

    def __init__(self, settings):
        type(self).made += 1
        self.number, self.settings = self.made, settings

    def score(self, batch):
        if batch.index == 13:
            raise ModelError("model m: it is broken")
        if batch.index == 14:
            raise ZeroDivisionError("by what?")
        if batch.index == 15:
            raise DeviceError("model m: its device is gone")
        image, mask = batch.samples[0].image, batch.samples[0].mask
        arrived = Failure(Lineage("shard", 0, 0), "s", f"copy {self.number}", str(int(image.sum())), str(mask.tolist()))
        return ScoredBatch(batch.shard, batch.index, (), None, (arrived,), batch.progress)


@pytest.fixture
def short():
    """A folder whose path leaves room for a socket's, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="copies") as folder:
        yield folder


@pytest.fixture(autouse=True)
def machine(short, monkeypatch):
    """No process of this machine has a model yet; `monkeypatch.setattr(gpus, "count", ...)` says how many GPUs."""
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: short)
    monkeypatch.setattr(model_copies, "Scorer", Scorer)
    monkeypatch.setattr(model_copies, "_here", {})
    monkeypatch.setattr(process_slots, "_held", {})
    monkeypatch.setattr(Scorer, "made", 0)
    return Path(short) / f"dicebeam-copies-{os.getuid()}"


def settings(copies=1, share="run"):
    agreement = Agreement("s", "i", "float32", None, "o", 2, 3, None, (0, 1), 0)
    devices = DeviceSettings(model_copies=copies, share=share)
    return ScoreSettings(ModelSettings(path="m"), LabelSettings(classes=("a", "b")), agreement, "f", devices=devices)


def process(monkeypatch, given):
    """The scorer of another process."""
    monkeypatch.setattr(model_copies, "_here", {})
    return model_copies.scorer(given)


def batch(index=0):
    sample = Sample(Lineage("shard", 0, 0), "s", (), IMAGE, MASK, None, ())
    return Batch(Shard("shard", 1), index, (sample,), (), Progress(1, 9, 0, done=False))


def answered(scorer, index=0):
    (failure,) = scorer.score(batch(index)).failures
    assert (failure.error, failure.message) == (str(IMAGE.sum()), str(MASK.tolist()))
    return failure.stage


def end(machine, number=0):
    """A process that holds a model is killed: a socket that nobody listens on stays, its lock does not."""
    path = machine / "run" / f"{number}.socket"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(path))
    process_slots.release(machine / "run", number)


def test_without_a_number_of_copies_each_process_has_its_own_and_shares_nothing(machine, monkeypatch):
    given = replace(settings(), devices=DeviceSettings())
    assert [answered(process(monkeypatch, given)) for _ in range(3)] == ["copy 1", "copy 2", "copy 3"]
    assert not machine.exists()


def test_who_asks_while_somebody_has_the_model_gets_the_same_one(monkeypatch):
    given = replace(settings(), devices=DeviceSettings())
    other = replace(given, batch_timeout_seconds=1.0)
    first = process(monkeypatch, given)
    assert process(monkeypatch, pickle.loads(pickle.dumps(given))) is first  # noqa: S301 - our own
    assert process(monkeypatch, other) is not first
    assert Scorer.made == 2
    del first
    assert answered(process(monkeypatch, given)) == "copy 3"  # a model that nobody has is let go


def test_a_batch_that_does_not_fit_where_the_model_is_ends_the_run(monkeypatch):
    """Who asked would else look for another process, for ever."""
    _, asker = (process(monkeypatch, settings()) for _ in range(2))

    def full():
        raise MemoryError

    monkeypatch.setattr(model_copies, "Connection", lambda handle: Full(Connection(handle), full))
    with pytest.raises(WorkerError, match="failed on a batch that came: MemoryError"):
        asker.score(batch())


class Full:
    """A connection of a process without memory for what comes."""

    def __init__(self, connection, recv):
        self.connection, self.recv, self.send = connection, recv, connection.send

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def test_the_threads_of_a_process_have_one_model():
    with ThreadPoolExecutor(8) as pool:
        assert len({id(scorer) for scorer in pool.map(lambda _: model_copies.scorer(settings()), range(16))}) == 1
    assert Scorer.made == 1


def test_a_second_process_asks_the_first(monkeypatch):
    first, second = (process(monkeypatch, settings()) for _ in range(2))
    assert [answered(first), answered(second)] == ["copy 1", "copy 1"]
    assert Scorer.made == 1
    found = second.score(batch(7))
    assert (found.shard, found.index, found.progress) == (Shard("shard", 1), 7, Progress(1, 9, 0, done=False))


def test_those_without_one_take_turns_between_the_copies(monkeypatch):
    holders, (asker, _) = ([process(monkeypatch, settings(2)) for _ in range(2)] for _ in range(2))
    assert [answered(holder) for holder in holders] == ["copy 1", "copy 2"]
    assert sorted(answered(asker) for _ in range(4)) == ["copy 1", "copy 1", "copy 2", "copy 2"]


@pytest.mark.parametrize(("count", "copies", "made"), [(0, 1, 1), (0, 3, 3), (2, 1, 2), (2, 2, 4)])
def test_copies_are_counted_for_each_gpu_and_go_round_them(monkeypatch, count, copies, made):
    places, hidden = [], []
    monkeypatch.setattr(gpus, "count", lambda: count)
    monkeypatch.setattr(gpus, "prepare", lambda _, place: places.append(place))
    monkeypatch.setattr(gpus, "hide", lambda _: hidden.append(True))
    for _ in range(6):
        process(monkeypatch, settings(copies))
    assert (Scorer.made, places, len(hidden)) == (made, list(range(made)), 6 - made)


def test_runs_do_not_share(monkeypatch):
    first, second = (process(monkeypatch, settings(share=share)) for share in ("monday", "tuesday"))
    assert [answered(first), answered(second)] == ["copy 1", "copy 2"]


def test_many_ask_at_a_time_and_each_gets_its_own_answer(monkeypatch):
    askers = [process(monkeypatch, settings()) for _ in range(4)][1:]
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda index: askers[index % 3].score(batch(100 + index)).index, range(200))
        assert list(found) == list(range(100, 300))


def test_a_models_error_reaches_who_asked(monkeypatch):
    _, asker = (process(monkeypatch, settings()) for _ in range(2))
    with pytest.raises(ModelError, match=r"^model m: it is broken$"):
        asker.score(batch(13))
    expected = (
        r"^the process that has the model failed on shard, records 0 to 0: ZeroDivisionError: by what\?\. .*run-id"
    )
    with pytest.raises(WorkerError, match=expected):
        asker.score(batch(14))
    with pytest.raises(DeviceError, match=r"^model m: its device is gone$"):
        asker.score(batch(15))
    assert answered(asker) == "copy 1"


def test_a_model_that_cannot_be_loaded_leaves_its_place_to_the_next(monkeypatch):
    def fail(_):
        raise ModelError("model m: not loaded")

    monkeypatch.setattr(model_copies, "Scorer", fail)
    for _ in range(2):
        with pytest.raises(ModelError, match="not loaded"):
            process(monkeypatch, settings())
    monkeypatch.setattr(model_copies, "Scorer", Scorer)
    assert answered(process(monkeypatch, settings())) == "copy 1"


def test_who_asks_waits_while_the_model_is_loaded(machine, monkeypatch):
    monkeypatch.setattr(model_copies, "WITHOUT_ANY_SECONDS", 0.1)
    (machine / "run").mkdir(parents=True)
    machine.chmod(0o700)
    process_slots.claim(machine / "run", 1)
    asker, found = process(monkeypatch, settings()), []
    asking = threading.Thread(target=lambda: found.append(answered(asker)))
    asking.start()
    time.sleep(0.4)
    assert asking.is_alive()
    holder = model_copies._Holder(Scorer(None), machine / "run" / "0.socket")
    asking.join(10)
    assert found == ["copy 1"]
    assert holder.score(batch()).index == 0


def test_where_every_process_with_the_model_has_ended_the_run_does(machine, monkeypatch):
    monkeypatch.setattr(model_copies, "WITHOUT_ANY_SECONDS", 0.1)
    _, asker = (process(monkeypatch, settings()) for _ in range(2))
    end(machine)
    with pytest.raises(
        WorkerError, match=r"model m: expected a process .* \(--model_copies\), but each of them has en"
    ):
        asker.score(batch())


def test_a_process_that_takes_the_place_of_one_that_ended_is_found(machine, monkeypatch):
    _, asker = (process(monkeypatch, settings()) for _ in range(2))
    end(machine)
    process(monkeypatch, settings())
    assert answered(asker) == "copy 2"


def test_a_batch_whose_process_ends_meanwhile_goes_to_another(monkeypatch):
    """The first reads the batch and goes away without an answer."""
    holders = [process(monkeypatch, settings(2)) for _ in range(2)]
    monkeypatch.setattr(holders[0], "_answer", lambda connection: (connection.recv(), connection.close()))
    asker = process(monkeypatch, settings(2))
    assert {answered(asker) for _ in range(4)} == {"copy 2"}


def test_a_batch_that_comes_slowly_is_waited_for_though_sockets_have_a_default_timeout(machine, monkeypatch):
    """Beam sets one for the whole process where Google's credentials are used."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)
    try:
        process(monkeypatch, settings())
        with Client(str(machine / "run" / "0.socket"), "AF_UNIX") as connection:
            time.sleep(0.2)
            connection.send(batch())
            assert connection.recv().failures[0].stage == "copy 1"
    finally:
        socket.setdefaulttimeout(before)


def test_folders_of_runs_that_are_over_are_removed_after_a_day_and_no_others(machine, monkeypatch):
    for share in ("old", "young", "at work"):
        process(monkeypatch, settings(share=share))
    process_slots.release(machine / "old", 0)
    process_slots.release(machine / "young", 0)
    for share in ("old", "at work"):
        os.utime(machine / share, (1, 1))
    process(monkeypatch, settings())
    assert sorted(path.name for path in machine.iterdir()) == ["at work", "run", "young"]


def test_nobody_else_can_reach_the_sockets(machine, monkeypatch):
    process(monkeypatch, settings())
    assert machine.stat().st_mode & 0o777 == 0o700
    assert (machine / "run" / "0.socket").is_socket()


def test_a_temporary_folder_with_too_long_a_name_is_an_error(machine, monkeypatch):
    long = machine.parent / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(long))
    with pytest.raises(DeviceError, match=r"at most 100 bytes for a socket below .*; set TMPDIR to a shorter"):
        process(monkeypatch, settings())
