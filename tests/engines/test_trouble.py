"""Engines in trouble: Ctrl-C, a worker that is killed, a model that hangs, servers that are not there.

One line says so, no process and no temporary file is left, and the same run goes on.
"""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.engines import servers
from tests.support import stopping
from tests.support.stopping import INTERRUPTED, Case, Run, check_it_goes_on

EMBEDDED = ["--runner=PortableRunner", "--job_endpoint=embed"]
NOWHERE = "localhost:1"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return stopping.make(tmp_path)


@pytest.fixture
def loopback() -> list[str]:
    return [*EMBEDDED, *servers.LOOPBACK]


def wait_until_none(session: int) -> None:
    deadline = time.monotonic() + stopping.GUARD_SECONDS
    while servers.in_session(session):
        assert time.monotonic() < deadline, servers.in_session(session)
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("engine_name", "number"),
    [
        ("prism", signal.SIGINT), ("prism", signal.SIGTERM), ("loopback", signal.SIGINT), ("external", signal.SIGTERM),
    ],
)  # fmt: skip
def test_an_interrupted_run_ends_at_once_and_goes_on(
    case: Case, engine_name: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    flags = request.getfixturevalue(engine_name)
    run = Run(case, "--", *flags)
    run.wait_for_the_first_shard()
    run.process.send_signal(number)
    ended, errors = run.end()
    assert ended == 128 + number, errors
    again = f"dicebeam evaluate {case.config} --run-id night -- {' '.join(flags)}"
    assert errors.splitlines()[1:] == [f"{INTERRUPTED} {again}"], errors
    wait_until_none(run.process.pid)
    assert not list(case.output.glob("*/*/*/.*"))
    check_it_goes_on(case)


@pytest.mark.parametrize("engine_name", ["prism", "loopback", "external"])
def test_a_model_that_hangs_ends_the_run_and_leaves_no_server(
    case: Case, engine_name: str, request: pytest.FixtureRequest
) -> None:
    flags = request.getfixturevalue(engine_name)
    run = Run(case, "--set", "batch_timeout_seconds=15", "--", *flags)
    code, errors = run.end()
    assert code == 2, errors
    _, error = errors.splitlines()
    assert re.match(
        r"dicebeam: error: model \S+/model: expected a result for \S+/part-1.tfrecord, records 0 to 1", error
    )
    wait_until_none(run.process.pid)
    check_it_goes_on(case)


def test_a_killed_worker_ends_the_run(case: Case, tmp_path: Path) -> None:
    with servers.serving(servers.worker_pool(), tmp_path / "pool.log") as port:
        flags = [*EMBEDDED, "--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"]
        run = Run(case, "--", *flags)
        run.wait_for_the_first_shard()
        (worker,) = stopping.children(pool_at(port))
        os.kill(worker, signal.SIGKILL)
        code, errors = run.end()
    assert code == 2, errors
    go_on, error = errors.splitlines()[1:]
    assert f"to resume: dicebeam evaluate {case.config} --run-id night -- {' '.join(flags)}" in go_on
    assert error.startswith("dicebeam: error: a worker of the engine went away before its work was done")
    assert not list(case.output.glob("*/*/*/.*"))
    check_it_goes_on(case)


def pool_at(port: int) -> int:
    """Process id of the pool that serves a port, from /proc."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--service_port={port}".encode() in words:
            return int(path.parent.name)
    raise AssertionError


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([*EMBEDDED, "--environment_type=EXTERNAL", f"--environment_config={NOWHERE}"], "expected a worker pool at"),
        (
            ["--runner=PortableRunner", f"--job_endpoint={NOWHERE}", "--job_server_timeout=2"],
            "expected a job server at",
        ),
        (["--runner=PrismRunner", "--prism_location=/nowhere/prism"], "expected the Prism binary at"),
    ],
    ids=["pool", "job server", "prism"],
)
def test_what_is_not_there_is_named(case: Case, flags: list[str], said: str) -> None:
    code, errors = Run(case, "--", *flags).end()
    assert code == 2
    _, error = errors.splitlines()
    assert error.startswith(f"dicebeam: error: {said}")
