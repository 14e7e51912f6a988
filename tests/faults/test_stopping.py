"""A real `dicebeam evaluate` that is stopped while its model hangs: how it ends, what it leaves, and going on.

The model hangs on the second shard for as long as a file is not there; the first shard is committed by then.
"""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.support import stopping
from tests.support.stopping import INTERRUPTED, Case, Run, alive, check_it_goes_on

pytestmark = pytest.mark.long


PROCESSES = ["--", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds child processes in /proc")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return stopping.make(tmp_path)


def test_a_model_that_hangs_ends_the_run_and_names_the_place(case: Case) -> None:
    code, errors = Run(case, "--set", "batch_timeout_seconds=15").end()
    assert code == 2, errors
    assert re.search(r"error: model \S+/model: expected a result for \S+/part-1.tfrecord, records 0 to 1, ", errors)
    assert "there is none after 15 s" in errors
    check_it_goes_on(case)


def test_ctrl_c_ends_a_run_at_once_though_the_model_hangs(case: Case) -> None:
    run = Run(case)
    run.wait_for_the_first_shard()
    time.sleep(0.5)  # the next batch is at the model by then; Ctrl-C is to work before, too
    run.process.send_signal(signal.SIGINT)
    code, errors = run.end()
    assert code == 130, errors
    assert errors.splitlines()[1:] == [f"{INTERRUPTED} dicebeam evaluate {case.config} --run-id night"]
    assert not list(case.output.glob("*/*/*/.*"))  # no temporary file
    check_it_goes_on(case)


@needs_proc
def test_ctrl_c_ends_worker_processes_that_hang(case: Case) -> None:
    run = Run(case, *PROCESSES)
    workers = run.wait_for_the_first_shard()
    assert len(workers) == 2
    run.process.send_signal(signal.SIGINT)
    code, errors = run.end()
    assert code == 130, errors
    again = f"dicebeam evaluate {case.config} --run-id night {' '.join(PROCESSES)}"
    assert errors.splitlines()[1:] == [f"{INTERRUPTED} {again}"]
    assert alive(workers) == []
    check_it_goes_on(case)


@needs_proc
def test_a_worker_process_that_is_killed_ends_the_run(case: Case) -> None:
    run = Run(case, *PROCESSES)
    workers = run.wait_for_the_first_shard()
    os.kill(workers[0], signal.SIGKILL)
    code, errors = run.end()
    assert code == 2, errors
    go_on, error = errors.splitlines()[1:]
    assert f"to resume: dicebeam evaluate {case.config} --run-id night {' '.join(PROCESSES)}" in go_on
    assert re.search(rf"error: worker process {workers[0]} was ended by the signal SIGKILL \(Linux does that", error)
    assert alive(workers) == []
    check_it_goes_on(case)
