"""Notices are held back, and shown where the block fails."""

import logging
import os
import subprocess
import sys

import pytest
from apache_beam.utils.thread_pool_executor import UnboundedThreadPoolExecutor

from dicebeam.pipeline.commands import library_output
from dicebeam.pipeline.runner import jobs
from tests.support.paths import ROOT


def write():
    os.write(2, b"notice\n")


def test_what_is_written_below_python_is_held_back(capfd):
    with library_output._muted_stderr(verbose=False):
        write()
    assert capfd.readouterr().err == ""


def test_stderr_is_back_afterwards(capfd):
    with library_output._muted_stderr(verbose=False):
        write()
    write()
    assert capfd.readouterr().err == "notice\n"


def fail_muted():
    with library_output._muted_stderr(verbose=False):
        write()
        raise ImportError("no TensorFlow")


def test_it_is_shown_where_the_block_fails(capfd):
    with pytest.raises(ImportError, match="no TensorFlow"):
        fail_muted()
    assert capfd.readouterr().err == "notice\n"


def test_verbose_holds_nothing_back(capfd):
    with library_output._muted_stderr(verbose=True):
        write()
    assert capfd.readouterr().err == "notice\n"


def test_no_file_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path would open one more
    for _ in range(3):
        with library_output._muted_stderr(verbose=False):
            write()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_loading_tensorflow_says_nothing():
    load = "from dicebeam.pipeline.commands import library_output; library_output.load_tensorflow(verbose=False)"
    code = f"{load}; import tensorflow as tf; tf.constant(1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def print_in(pool):
    pool.submit(lambda: sys.stderr.write("a worker's traceback\n")).result()
    sys.stderr.write("ours\n")


@pytest.mark.parametrize(("verbose", "said"), [(False, "ours\n"), (True, "a worker's traceback\nours\n")])
def test_what_workers_in_threads_print_is_dropped_unless_verbose(capsys, verbose, said):
    own = sys.stderr
    with library_output.muted_tracebacks(verbose=verbose):
        print_in(UnboundedThreadPoolExecutor())
    assert capsys.readouterr().err == said
    assert sys.stderr is own


def test_a_job_that_is_left_behind_has_nothing_more_to_say(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(jobs, "_given_up", ["a job"])
    with library_output.muted_tracebacks(verbose=False):
        pass
    print_in(UnboundedThreadPoolExecutor())
    assert capsys.readouterr().err == "ours\n"


@pytest.fixture
def prism_logger():
    logger = logging.getLogger("PrismJobServer")
    before = logger.propagate, list(logger.handlers)
    yield logger
    logger.propagate, logger.handlers = before


def test_errors_that_a_job_server_logs_are_not_shown(capfd, prism_logger):
    library_output.set_logging(verbose=False)
    prism_logger.error("Bundle Failed.")
    assert capfd.readouterr().err == ""
