"""Flink on loopback: Beam's job server as a jar, and a standalone cluster whose parts can be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.engines import servers

FETCHED = servers.TOOLS / "flink" / "flink-job-server.jar"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
OPENED = [
    f"java.base/java.{package}"
    for package in ("io", "lang", "lang.reflect", "net", "nio", "text", "time", "util", "util.concurrent")
]
"""Packages that Flink's serializers look into, which Java keeps closed from 17 on."""
STALL_SECONDS = 60
"""A JVM that stands still for less is busy, not lost; a killed one Flink knows by its port."""
BEAM_POOL = "beam-pool"
CONFIG = {
    "jobmanager.bind-host": "localhost",
    "taskmanager.host": "localhost",
    "taskmanager.bind-host": "localhost",
    "rest.address": "localhost",
    "rest.bind-address": "localhost",
    "jobmanager.rpc.address": "localhost",
    "heartbeat.interval": 1000,
    "heartbeat.timeout": STALL_SECONDS * 1000,
    "pekko.ask.timeout": f"{STALL_SECONDS} s",
    "restart-strategy.type": "fixed-delay",  # Beam's batch jobs are not restarted without
    "restart-strategy.fixed-delay.attempts": 20,
    "restart-strategy.fixed-delay.delay": "1 s",
    "cluster.evenly-spread-out-slots": "true",
    "taskmanager.numberOfTaskSlots": 2,
    "taskmanager.cpu.cores": 1.0,
    # what Flink's shell scripts work out from the size of the machine
    "taskmanager.memory.task.heap.size": "256m",
    "taskmanager.memory.task.off-heap.size": "0m",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.network.min": "192m",
    "taskmanager.memory.network.max": "192m",
    "taskmanager.memory.managed.size": "64m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "128m",
    "taskmanager.memory.jvm-overhead.max": "128m",
}


def jar() -> Path:
    """Beam's job server with Flink in it: the named one, or the one made of what Maven fetched.

    It skips the test where there is no Java or no Flink.
    """
    if shutil.which("java") is None:
        pytest.skip("Flink needs Java, which is not here")
    if named := os.environ.get("DICEBEAM_FLINK_JAR"):
        assert Path(named).is_file(), f"DICEBEAM_FLINK_JAR names {named}, where there is no file"
        return Path(named)
    if not FETCHED.is_file():
        pytest.skip("Flink comes through Maven, which is not here: install it and run make test-engines, or name a job "
                    "server of Beam with DICEBEAM_FLINK_JAR")  # fmt: skip
    return FETCHED


def java(main: str, heap: str = "384m") -> list[str]:
    """The command that runs a class of Flink or of its job server."""
    opens = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENED]
    return ["java", f"-Xmx{heap}", *opens, "-cp", str(jar()), main]


def _address(machine: int) -> str:
    return f"127.0.0.{machine + 2}"


class Cluster:
    """A JobManager, a job server, and two machines of a TaskManager with two slots and a worker pool each.

    A machine is an address of the loopback network; its name is BEAM_POOL there, so that each TaskManager asks the pool
    beside it, as `localhost` would be on machines of their own.
    """

    def __init__(self, folder: Path, *, restarts: bool = True, core_each: bool = False) -> None:
        """Nothing runs before `start`.

        Args:
            folder: for configuration, logs and temporary files.
            restarts: whether Flink has a restart strategy.
            core_each: whether what is on a machine has one core for itself, as far as there are cores.
        """
        self._folder, self._core_each = folder, core_each
        self._config = CONFIG if restarts else {**CONFIG, "restart-strategy.type": "none"}
        self._rest, self._rpc, self._jobs, self._artifacts, self._pool = (servers.free_port() for _ in range(5))
        self.task_managers: list[subprocess.Popen[bytes]] = []
        self.pools: list[subprocess.Popen[bytes]] = []
        self._others: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all of them, and wait until all slots are there."""
        folder = self._folder
        lines = {**self._config, "jobmanager.rpc.port": self._rpc, "rest.port": self._rest, "io.tmp.dirs": folder}
        (folder / "flink-conf.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        self._others.append(
            self._started("job-manager", *java(JOB_MANAGER), *self._configured, "--executionMode", "cluster")
        )
        for machine in range(2):
            self.pools.append(self.start_pool(machine))
            self.task_managers.append(self._start_task_manager(machine))
        flags = ["--job-port", self._jobs, "--artifact-port", self._artifacts, "--expansion-port", -1]
        flags += ["--flink-master", f"localhost:{self._rest}", "--artifacts-dir", folder / "artifacts"]
        self._others.append(self._started("job-server", *java(JOB_SERVER), *map(str, flags)))
        servers.wait_for(self._others[-1], self._jobs, folder / "job-server.log")
        self.wait(lambda: self.asked("overview")["slots-total"] == 4)

    @property
    def _configured(self) -> list[str]:
        return ["--configDir", str(self._folder)]

    def _on_machine(self, machine: int, *command: str) -> list[str]:
        if not self._core_each:
            return list(command)
        cores = sorted(os.sched_getaffinity(0))
        return ["taskset", "--cpu-list", str(cores[machine % len(cores)]), *command]

    def _started(self, name: str, *command: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{name}.log").open("ab") as out:
            return subprocess.Popen(
                command, env=servers.environment(), cwd=self._folder, stdout=out, stderr=out, start_new_session=True
            )

    def start_pool(self, machine: int) -> "subprocess.Popen[bytes]":
        """The pool of a machine; its workers are killed with its session."""
        command = [sys.executable, "-m", "tests.engines.pool", _address(machine), str(self._pool)]
        return self._started(f"pool-{machine}", *self._on_machine(machine, *command))

    def _start_task_manager(self, machine: int) -> "subprocess.Popen[bytes]":
        hosts = self._folder / f"hosts-{machine}"
        hosts.write_text(f"127.0.0.1 localhost\n{_address(machine)} {BEAM_POOL}\n")
        virtual, *rest = java(TASK_MANAGER)
        flags = [f"-Djdk.net.hosts.file={hosts}", *rest, *self._configured, f"-Dtaskmanager.resource-id={machine}"]
        return self._started(f"task-manager-{machine}", *self._on_machine(machine, virtual, *flags))

    def flags(self, parallelism: int = 2) -> list[str]:
        """Flags of Beam for this cluster; 2 takes a slot of each machine, so that one machine has room for all."""
        return [
            "--runner=PortableRunner", f"--job_endpoint=localhost:{self._jobs}", "--environment_type=EXTERNAL",
            f"--environment_config={BEAM_POOL}:{self._pool}", f"--parallelism={parallelism}",
        ]  # fmt: skip

    def asked(self, what: str) -> Any:
        """Flink's own answer to a question of its REST API; nothing while it does not listen yet."""
        try:
            with urllib.request.urlopen(f"http://localhost:{self._rest}/{what}", timeout=STALL_SECONDS) as answer:
                return json.load(answer)
        except OSError:
            return {"slots-total": 0}

    @property
    def _newest(self) -> str:
        jobs = self.asked("jobs/overview")["jobs"]
        return f"jobs/{max(jobs, key=lambda job: job['start-time'])['jid']}"

    def scoring(self) -> list[int]:
        """Machines on which the newest job scores samples now."""
        return [int(task["taskmanager-id"]) for task in self._scorers() if task["status"] == "RUNNING"]

    def attempts(self) -> int:
        """How often the newest job began to score samples, as Flink counts it."""
        return max(int(task["attempt"]) for task in self._scorers()) + 1

    def _scorers(self) -> list[dict[str, Any]]:
        vertices = self.asked(self._newest)["vertices"]
        (found,) = [vertex["id"] for vertex in vertices if "ScoreSamples" in vertex["name"]]
        subtasks: list[dict[str, Any]] = self.asked(f"{self._newest}/vertices/{found}")["subtasks"]
        return subtasks

    def wait(self, condition: Any, seconds: float = servers.START_SECONDS) -> None:
        """Until something holds.

        Raises:
            AssertionError: with the logs, if it does not in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self._state()
            time.sleep(0.2)

    def _state(self) -> str:
        """What each part wrote last, how far the newest job is, and where the workers' threads are."""
        told = [f"--- {path.name}\n{path.read_text()[-1000:]}" for path in sorted(self._folder.glob("*.log"))]
        with suppress(ValueError, KeyError):  # there is no job yet
            vertices = self.asked(self._newest)["vertices"]
            told += [f"{vertex['status']} {vertex['tasks']} {vertex['name'][:100]}" for vertex in vertices]
            told += [json.dumps(self.asked(f"{self._newest}/exceptions"))[:2000]]
        workers = [worker for pool in self.pools for worker in servers.in_session(pool.pid)]
        return "\n".join(told + [f"--- worker {worker}\n{servers.stacks(worker)}" for worker in workers])

    def stop(self) -> None:
        """End every part."""
        for process in (*self.task_managers, *self.pools, *self._others):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def cluster(folder: Path, *, restarts: bool = True, core_each: bool = False) -> Iterator[Cluster]:
    """A cluster while the block lasts."""
    made = Cluster(folder, restarts=restarts, core_each=core_each)
    try:
        made.start()
        yield made
    finally:
        made.stop()
