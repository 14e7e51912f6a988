"""The engines that are here: embedded modes, Prism, portable job services, and Flink, local and as a cluster.

`make test-engines` installs what they need and runs these tests; without it they skip.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import flink, servers

HERE = Path(__file__).parent
ENGINES = (
    "multi_threading", "multi_processing", "one_copy", "prism", "portable_loopback", "portable_external", "job_service",
    "flink_local", "flink_cluster",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without `make test-engines` nothing here runs, and the servers of an engine are started by one process."""
    skip = pytest.mark.skip(reason="needs servers and tools of its own: make test-engines installs and runs them")
    for item in items:
        if HERE not in item.path.parents:
            continue
        if not os.environ.get("DICEBEAM_ENGINES"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def worker_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a pool that starts workers as processes."""
    with servers.serving(servers.worker_pool(), tmp_path_factory.mktemp("pool") / "log") as port:
        yield f"localhost:{port}"


@pytest.fixture(scope="session")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of Beam's own job service in another process."""
    with servers.serving(servers.job_service(), tmp_path_factory.mktemp("jobs") / "log") as port:
        yield f"localhost:{port}"


@pytest.fixture(scope="session")
def prism() -> list[str]:
    """Flags for Prism, which Beam starts and stops itself."""
    if not servers.PRISM.exists():
        pytest.skip("Prism is built with Go, which is not here: install Go and run make test-engines")
    return ["--runner=PrismRunner", f"--prism_location={servers.PRISM}"]


@pytest.fixture(scope="session")
def flink_local() -> list[str]:
    """Flags for Flink's job server, which Beam starts with a small Flink inside."""
    return ["--runner=FlinkRunner", f"--flink_job_server_jar={flink.jar()}", "--parallelism=2", *servers.LOOPBACK]


@pytest.fixture(scope="session")
def flink_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Flags for a standalone cluster with two TaskManagers, each with a worker pool."""
    with flink.cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started.flags()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> list[str]:
    """Beam's flags for one engine after the other."""
    portable = ["--runner=PortableRunner"]
    if request.param.startswith("multi"):
        return [f"--direct_running_mode={request.param}", "--direct_num_workers=2"]
    if request.param == "one_copy":
        return ["--direct_running_mode=multi_processing", "--direct_num_workers=3", "--model_copies=1"]
    if request.param == "portable_loopback":
        return [*portable, "--job_endpoint=embed", *servers.LOOPBACK]
    if request.param == "portable_external":
        return _external(request.getfixturevalue("worker_pool"))
    if request.param == "job_service":
        return [*portable, f"--job_endpoint={request.getfixturevalue('job_service')}", *servers.LOOPBACK]
    flags: list[str] = request.getfixturevalue(request.param)
    return flags


def _external(pool: str) -> list[str]:
    """Flags for workers of a pool."""
    flags = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL"]
    return [*flags, f"--environment_config={pool}"]


@pytest.fixture
def external(worker_pool: str) -> list[str]:
    """Flags for the workers of the pool."""
    return _external(worker_pool)
