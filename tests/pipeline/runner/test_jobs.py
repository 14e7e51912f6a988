"""Jobs that other processes run: waited for, cancelled when this one is interrupted, and their servers stopped."""

import subprocess
import sys

import pytest
from apache_beam.utils.subprocess_server import SubprocessServer

from dicebeam.pipeline.runner import jobs
from dicebeam.schemas.errors import WorkerError


class Result:
    """What a runner hands back; waiting for it is interrupted."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble, self.cancelled = trouble, 0

    def wait_until_finish(self) -> str:
        raise KeyboardInterrupt

    def cancel(self) -> None:
        self.cancelled += 1
        if self.trouble:
            raise self.trouble


class Done:
    def wait_until_finish(self) -> str:
        return "DONE"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test process must not end as a command does that left a job behind."""
    monkeypatch.setattr(jobs, "_given_up", [])


def test_the_state_that_a_job_ends_in() -> None:
    assert jobs.wait(Done()) == "DONE"
    assert not jobs.left_behind()


GONE = ValueError("Cannot invoke RPC on closed channel!")


@pytest.mark.parametrize("trouble", [None, NotImplementedError(), GONE], ids=["cancelled", "over", "server gone"])
def test_an_interrupted_job_is_cancelled(trouble: Exception | None) -> None:
    result = Result(trouble)
    with pytest.raises(KeyboardInterrupt):
        jobs.wait(result)
    assert result.cancelled == 1
    assert jobs.left_behind()


def test_a_job_that_cannot_be_cancelled_may_go_on() -> None:
    with pytest.raises(WorkerError, match="could not be cancelled and may still be running there: no route"):
        jobs.wait(Result(OSError("no route")))


def test_servers_that_beam_started_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def start(*_: object) -> tuple[subprocess.Popen[bytes], str]:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        return started[0], "localhost:1"

    cache = type(SubprocessServer._cache)(start, lambda made: made[0].kill())
    monkeypatch.setattr(SubprocessServer, "_cache", cache)
    owner = cache.register()
    cache.get("a server", owner=owner)
    jobs.stop_servers()
    assert started[0].wait(60) != 0
    jobs.stop_servers()  # there is none left


def test_where_beam_started_nothing_there_is_nothing_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "apache_beam.utils.subprocess_server")
    jobs.stop_servers()
