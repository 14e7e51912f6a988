"""A Flink cluster that loses parts in the middle of a run: it restarts, and the tables are those of an undisturbed one.

The second shard of the data set waits for a file, so what is killed is killed while it is scored.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.plans import summary_plan
from dicebeam.pipeline.runner import run
from tests.engines import flink, servers
from tests.engines.flink import Cluster
from tests.engines.same_tables import assert_same, tables_of
from tests.support import stopping
from tests.support.evaluating import evaluate
from tests.support.stopping import Case, Run

RESTART_SECONDS = 300
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of the test alone, which breaks it; its parameter is whether Flink restarts what was lost."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with flink.cluster(folder, restarts=getattr(request, "param", True)) as started:
        yield started


@pytest.fixture
def case(tmp_path: Path) -> Case:
    folder = tmp_path / "case"
    folder.mkdir()
    return stopping.make(folder)


def begin(case: Case, cluster: Cluster) -> tuple[Run, int]:
    """A run that waits in the second shard, with the first one committed; and the machine where it waits."""
    run = Run(case, "--", *cluster.flags())
    cluster.wait(run.first_shard_is_there, RESTART_SECONDS)
    cluster.wait(lambda: case.begun() == 1 and len(cluster.scoring()) == 1)
    (machine,) = cluster.scoring()
    return run, machine


def check_it_is_undisturbed(case: Case, *attempts: Run) -> None:
    """One ends well at least, with the tables of a run in this process, and nothing but them."""
    ended = [attempt.end() for attempt in attempts]
    assert min(ended)[0] == 0, ended
    assert all(code == 0 or "is not complete: expected one row in" in errors for code, errors in ended), ended
    config = config_file.load(str(case.config), [])
    outcome = run.outcome(summary_plan.make_plan(config, "night", []).run)
    undisturbed = evaluate(config.model_copy(update={"output": f"{case.output}-undisturbed"}), "night")
    assert_same(tables_of(outcome), tables_of(undisturbed))
    assert len(list(case.output.glob("samples/*/*/part-*.parquet"))) == 2
    assert not [path for path in case.output.rglob(".*") if path.is_file()]


def kill_pool(cluster: Cluster, machine: int) -> None:
    """With its workers; it is started again, as whatever looks after it would."""
    os.killpg(cluster.pools[machine].pid, signal.SIGKILL)
    cluster.pools[machine].wait()
    cluster.pools[machine] = cluster.start_pool(machine)


def test_a_killed_worker_pool(case: Case, cluster: Cluster) -> None:
    started, machine = begin(case, cluster)
    kill_pool(cluster, machine)
    cluster.wait(lambda: case.begun() == 2, RESTART_SECONDS)
    case.gate.touch()
    check_it_is_undisturbed(case, started)
    assert cluster.attempts() >= 2


@pytest.mark.parametrize("cluster", [False], indirect=True)
def test_a_killed_worker_pool_where_flink_does_not_restart(case: Case, cluster: Cluster) -> None:
    """The run ends, and goes on with the same id."""
    started, machine = begin(case, cluster)
    kill_pool(cluster, machine)
    code, errors = started.end()
    assert code == 2
    said = "^dicebeam: error: a worker of the engine went away .* the same --run-id resumes the run"
    assert re.search(said, errors, re.MULTILINE), errors
    assert case.begun() == 1
    case.gate.touch()
    check_it_is_undisturbed(case, Run(case, "--", *cluster.flags()))


def test_a_killed_task_manager(case: Case, cluster: Cluster) -> None:
    """The machine that is left does the work of both; the worker of the lost one ends by itself."""
    started, machine = begin(case, cluster)
    os.killpg(cluster.task_managers[machine].pid, signal.SIGKILL)
    cluster.wait(lambda: case.begun() == 2 and cluster.scoring() == [1 - machine], RESTART_SECONDS)
    cluster.wait(lambda: not servers.in_session(cluster.pools[machine].pid), RESTART_SECONDS)
    case.gate.touch()
    check_it_is_undisturbed(case, started)
    assert cluster.attempts() >= 2


def test_two_attempts_of_one_shard_at_once(case: Case, cluster: Cluster) -> None:
    """The cluster and this machine score it under one run id; the one that commits first has scored it.

    The one of this machine is held while the cluster commits, and finds that the shard is committed.
    """
    started, _ = begin(case, cluster)
    again = Run(case)
    cluster.wait(lambda: case.begun() == 2, RESTART_SECONDS)
    again.process.send_signal(signal.SIGSTOP)
    case.gate.touch()
    first = wait_for_the_file(case)
    again.process.send_signal(signal.SIGCONT)
    check_it_is_undisturbed(case, started, again)
    assert wait_for_the_file(case) == first


def wait_for_the_file(case: Case) -> int:
    """Until the second shard's sample file is there; its inode."""
    deadline = time.monotonic() + RESTART_SECONDS
    while not (found := [path.stat().st_ino for path in case.output.glob("samples/*/*/part-1*.parquet")]):
        assert time.monotonic() < deadline, "expected a sample file of the second shard"
        time.sleep(0.01)
    return found[0]
