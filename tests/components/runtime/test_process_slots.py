"""Numbers of processes: each once, the lowest first, and free again however a process ends."""

import subprocess
import sys
import threading

import pytest

from dicebeam.components.runtime import private_folder, process_slots
from tests.support.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from dicebeam.components.runtime import process_slots
print(process_slots.claim(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch):
    monkeypatch.setattr(process_slots, "_held", {})


def test_the_lowest_free_number_is_taken_and_none_where_all_are(tmp_path):
    assert [process_slots.claim(tmp_path, 3) for _ in range(5)] == [0, 1, 2, None, None]
    process_slots.release(tmp_path, 1)
    assert [process_slots.claim(tmp_path, 3) for _ in range(2)] == [1, None]


def test_without_a_count_there_is_always_one(tmp_path):
    assert [process_slots.claim(tmp_path) for _ in range(4)] == [0, 1, 2, 3]


def test_a_killed_process_leaves_its_number_to_others(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "0\n"
    assert process_slots.any_taken(tmp_path)
    assert process_slots.claim(tmp_path, 1) is None
    process.kill()
    process.communicate()
    assert not process_slots.any_taken(tmp_path)
    assert process_slots.claim(tmp_path, 1) == 0


def test_who_looks_takes_nothing(tmp_path):
    """A look locks a free number for a moment; a claim in that moment still finds it free."""
    stop = threading.Event()
    process_slots.claim(tmp_path, 1)
    process_slots.release(tmp_path, 0)
    looking = threading.Thread(target=lambda: [process_slots.any_taken(tmp_path) for _ in iter(stop.is_set, True)])
    looking.start()
    try:
        for _ in range(200):
            assert process_slots.claim(tmp_path, 1) == 0
            process_slots.release(tmp_path, 0)
    finally:
        stop.set()
        looking.join()


def test_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = private_folder.make("x")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert private_folder.make("x") == folder
