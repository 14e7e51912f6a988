"""Worker processes that die: what the run says, that it ends, and that no other worker is left."""

import os
import re
import signal
import sys
import threading
import time

import apache_beam as beam
import pytest
from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler, WorkerHandler

from dicebeam.pipeline.runner import options, worker_watch
from dicebeam.schemas.errors import WorkerError

FLAGS = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


class Handler:
    def __init__(self):
        self.errors = []

    def give_up(self, error):
        self.errors.append(error)


def registered():
    return WorkerHandler._registered_environments[python_urns.SUBPROCESS_SDK][0]


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Run a pipeline whose workers are shell scripts: by script for the first worker and for the others."""

    def run(first, others):
        script = tmp_path / "python"
        marks = f'mkdir "{tmp_path}/first" 2>/dev/null'
        script.write_text(f"#!/bin/sh\nif {marks}; then {first}; else {others}; fi\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        with worker_watch.watched():
            pipeline = beam.Pipeline(options=options.pipeline_options(FLAGS))
            _ = pipeline | beam.Create([1, 2, 3]) | beam.Reshuffle() | beam.Map(print)
            pipeline.run()

    return run


def gone(pid):
    """Whether a process ends; it was killed, so this takes no time worth the name."""
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_workers_that_cannot_start_end_the_run(workers):
    with pytest.raises(WorkerError, match=r"worker process \d+ exited with code 7 before its work was done"):
        workers("exit 7", "exit 7")


def test_one_worker_that_is_killed_ends_the_run_and_the_others(workers, tmp_path):
    others = f'echo $$ > "{tmp_path}/pid"; exec sleep 1000'
    kill = f'while [ ! -s "{tmp_path}/pid" ]; do sleep 0.1; done; kill -9 $$'
    with pytest.raises(WorkerError, match=r"was ended by the signal SIGKILL \(Linux does that where memory runs short"):
        workers(kill, others)
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_death_ends_every_worker_of_the_run():
    watch, handlers = worker_watch.Watch(), [Handler(), Handler()]
    for handler in handlers:
        watch.add(handler)
    watch.died("worker 1 died")
    assert [str(error) for handler in handlers for error in handler.errors] == ["worker 1 died"] * 2


def test_only_the_first_death_is_told():
    watch, handler = worker_watch.Watch(), Handler()
    watch.add(handler)
    watch.died("this one")
    watch.died("was ended because of the first")
    assert str(watch.death) == "this one"
    assert len(handler.errors) == 1


def test_a_worker_that_starts_after_a_death_is_ended():
    watch, late = worker_watch.Watch(), Handler()
    watch.died("worker 1 died")
    watch.add(late)
    assert late.errors == [watch.death]


def test_whatever_the_runner_says_of_a_death_the_user_is_told_of_it():
    def run():
        with worker_watch.watched() as watch:
            watch.died("worker 1 died")
            raise RuntimeError("Channel closed prematurely.")

    with pytest.raises(WorkerError, match="died"):
        run()


def test_an_error_without_a_death_is_raised_as_it_is():
    with pytest.raises(RuntimeError, match="something else"), worker_watch.watched():
        raise RuntimeError("something else")


def test_beams_own_handler_is_back_after_the_run():
    hook = threading.excepthook
    with worker_watch.watched():
        assert registered() is not SubprocessSdkWorkerHandler
    assert registered() is SubprocessSdkWorkerHandler
    assert threading.excepthook is hook


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "worker process 5 exited with code 0 before"),
        (1, "worker process 5 exited with code 1 before"),
        (-signal.SIGSEGV, "was ended by the signal SIGSEGV before"),
        (-signal.SIGKILL, r"was ended by the signal SIGKILL \(Linux does that where memory runs short"),
        (-99, "was ended by the signal 99 before"),
    ],
)
def test_a_death_is_described_by_its_code(code, text):
    assert re.search(text, worker_watch._description(5, code))
