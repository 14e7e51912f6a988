"""Servers of Beam for the tests of engines: on loopback, each in a session of its own that ends with the tests."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT

TOOLS = ROOT / ".engines-tools"
PRISM = TOOLS / "prism"
START_SECONDS = 120
LOOPBACK = ["--environment_type=LOOPBACK"]


def environment() -> dict[str, str]:
    """The environment of processes that must find this Python as `python`, and the package `tests`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[int]:
    """A server while the block lasts; gives its port, which takes the place of PORT in the command."""
    port = free_port()
    with log.open("wb") as out:
        whole = [part.replace("PORT", str(port)) for part in command]
        process = subprocess.Popen(
            whole, env=environment(), cwd=log.parent, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(process, port, log)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # and the workers that it started
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


def wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as tried:
            if tried.connect_ex(("localhost", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def worker_pool() -> list[str]:
    return [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", "--service_port=PORT"]


def job_service() -> list[str]:
    return [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port=PORT"]


def in_session(leader: int) -> list[int]:
    """Processes of the session that a process leads, without it, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(set(found) - {leader})


def stacks(process: int) -> str:
    """Where the threads of a Python process are, as far as one may look; without those that wait for messages."""
    command = [str(Path(sys.executable).with_name("py-spy")), "dump", "--pid", str(process)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    threads = re.split(r"^(?=Thread )", told.stdout, flags=re.MULTILINE)
    return "".join(thread for thread in threads if "grpc/_channel.py" not in thread) + told.stderr
