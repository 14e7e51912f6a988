"""The log of decisions: numbers are given once, the last decision counts, and no damaged entry is passed over."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicebeam.components.runs.run_files import Run
from dicebeam.components.storage import exclusive_files
from dicebeam.components.verdict import blessing, decision_log
from dicebeam.schemas.decision import Decision, Entry
from dicebeam.schemas.errors import StorageError, TablesError
from tests.support import memory_storage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LOG = "blessings/_log"


def run_of(output: object, run_id: str = "a") -> Run:
    return Run(str(output), "2026-11-24", run_id, "c", "m")


def bless(output: object, *run_ids: str, by: Any = "hand") -> None:
    for run_id in run_ids:
        blessing.grant(run_of(output, run_id), by, NOW)


def blessed(output: object) -> list[str]:
    return [each.run_id for each in blessing.listed(str(output))]


def entry(output: Path, sequence: int) -> Path:
    return output / LOG / f"{sequence:08}.json"


def copies(output: Path) -> list[int]:
    return sorted(int(path.stem) for path in output.glob("blessings/eval_date=*/run_id=*/*.parquet"))


def test_good_bad_good(tmp_path: Path) -> None:
    bless(tmp_path, "good", "bad", "good")
    assert blessed(tmp_path) == ["good", "bad"]


def test_what_passes_again_does_not_become_the_newest(tmp_path: Path) -> None:
    bless(tmp_path, "old", "new", "old", by="gate")
    assert blessed(tmp_path) == ["new", "old"]
    assert copies(tmp_path) == [1, 2]


def test_a_row_is_what_was_decided(tmp_path: Path) -> None:
    blessing.grant(run_of(tmp_path), "hand", NOW, "it \udcff looks good")
    blessing.hold(run_of(tmp_path), "INVALID", NOW + timedelta(1))
    first, second = sorted(tmp_path.glob("blessings/eval_date=2026-11-24/run_id=a/*.parquet"))
    (one,), (two,) = (pq.read_table(path, partitioning=None).to_pylist() for path in (first, second))
    assert first.name == "00000001.parquet"
    assert one.pop("who") == two.pop("who") == decision_log._who()
    keys = ("sequence", "decision", "decided_by", "reason", "time")
    assert one == dict(zip(keys, (1, "blessed", "hand", r"it \udcff looks good", NOW), strict=True))
    assert two == dict(zip(keys, (2, "withdrawn", "gate", "INVALID", NOW + timedelta(1)), strict=True))


def test_who_is_null_where_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_log.getpass, "getuser", lambda: (_ for _ in ()).throw(KeyError("uid")))
    monkeypatch.setattr(decision_log.socket, "gethostname", lambda: "")
    bless(tmp_path, "a")
    assert next(blessing.decisions(str(tmp_path))).who is None


@pytest.mark.parametrize(
    ("by", "verdict", "expected"),
    [
        ("hand", "REGRESSED", True),
        ("hand", "NO_BASELINE", True),
        ("hand", "INVALID", False),
        ("gate", "REGRESSED", False),
        ("gate", "INVALID", False),
    ],
)
def test_a_persons_decision_holds_against_all_but_invalid(
    tmp_path: Path, by: Any, verdict: str, expected: bool
) -> None:
    bless(tmp_path, "a", by=by)
    blessing.hold(run_of(tmp_path), verdict, NOW)
    assert blessing.is_blessed(run_of(tmp_path)) is expected


def test_nothing_is_withdrawn_that_was_not_given(tmp_path: Path) -> None:
    assert blessing.hold(run_of(tmp_path), "REGRESSED", NOW) is None
    bless(tmp_path, "a", by="gate")
    for _ in range(2):
        blessing.hold(run_of(tmp_path), "REGRESSED", NOW)
    assert copies(tmp_path) == [1, 2]


Step = tuple[str, str, str]
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["hand", "PASS", "REGRESSED", "INVALID"]), st.just("")),
    max_size=12,
)


def replayed(steps: list[Step]) -> list[str]:
    """The blessed runs, the last one first, by the rules as they are said."""
    last: dict[str, tuple[int, str, str]] = {}
    for number, (run_id, what, _) in enumerate(steps):
        _, decision, by = last.get(run_id, (0, "", ""))
        if what == "hand":
            last[run_id] = (number, "blessed", "hand")
        elif what == "PASS" and decision != "blessed":
            last[run_id] = (number, "blessed", "gate")
        elif what not in ("hand", "PASS") and decision == "blessed" and (by == "gate" or what == "INVALID"):
            last[run_id] = (number, "withdrawn", "gate")
    found = sorted(((number, run_id) for run_id, (number, what, _) in last.items() if what == "blessed"), reverse=True)
    return [run_id for _, run_id in found]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.integers(2, 7))
def test_the_baseline_is_that_of_a_replay(monkeypatch: pytest.MonkeyPatch, steps: list[Step], checkpoint: int) -> None:
    with monkeypatch.context() as patch:
        memory_storage.install(patch)
        patch.setattr(decision_log, "CHECKPOINT", checkpoint)
        for run_id, what, _ in steps:
            run = run_of("gs://bucket/out", run_id)
            if what == "hand":
                blessing.grant(run, "hand", NOW)
            elif what == "PASS":
                blessing.grant(run, "gate", NOW)
            else:
                blessing.hold(run, what, NOW)
        assert blessed("gs://bucket/out") == replayed(steps)


# many writers


def one_of_many(output: str, name: str) -> None:
    for number in range(5):
        blessing.grant(run_of(output, f"{name}-{number}"), "hand", NOW)


def assert_every_decision_is_there(output: Path, writers: int) -> None:
    runs = {f"w{writer}-{number}" for writer in range(writers) for number in range(5)}
    assert set(blessed(output)) == runs
    names = sorted(path.name for path in (output / LOG).iterdir())
    assert names == [f"{number:08}.json" for number in range(1, len(runs) + 1)]
    assert copies(output) == list(range(1, len(runs) + 1))


def test_threads_lose_no_decision(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda writer: one_of_many(str(tmp_path), f"w{writer}"), range(16)))
    assert_every_decision_is_there(tmp_path, 16)


def test_processes_lose_no_decision(tmp_path: Path) -> None:
    with get_context("spawn").Pool(2) as pool:
        pool.starmap(one_of_many, [(str(tmp_path), f"w{writer}") for writer in range(4)], 1)
    assert_every_decision_is_there(tmp_path, 4)


def test_a_decision_that_was_overtaken_is_decided_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is about to withdraw its own blessing when a person blesses the run: that holds."""
    bless(tmp_path, "a", by="gate")
    real, once = exclusive_files.create, iter([True])

    def create(path: str, data: bytes) -> bool:
        if next(once, False):
            bless(tmp_path, "a", by="hand")
        return real(path, data)

    monkeypatch.setattr(exclusive_files, "create", create)
    last = blessing.hold(run_of(tmp_path), "REGRESSED", NOW)
    assert last is not None
    assert (last.sequence, last.decided_by) == (2, "hand")
    assert copies(tmp_path) == [1, 2]


def test_what_a_killed_writer_left_out_of_the_table_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(decision_log, "_write_copy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bless(tmp_path, "a")
    assert (blessed(tmp_path), copies(tmp_path)) == (["a"], [])
    blessing.hold(run_of(tmp_path, "b"), "REGRESSED", NOW)
    assert copies(tmp_path) == [1]


# damage


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"sequence": 2}', "\x80", "123"])
def test_a_damaged_entry_is_named(tmp_path: Path, text: str) -> None:
    bless(tmp_path, "a", "b")
    entry(tmp_path, 2).write_bytes(text.encode("latin-1"))
    with pytest.raises(
        TablesError,
        match=r"expected decision 2 of the log of blessings in .*/blessings/_log/00000002\.json, but .*--bless",
    ):
        blessed(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sequence", 1), ("sequence", True), ("sequence", "2"), ("run_id", None), ("run_id", ""), ("eval_date", 3),
        ("decision", "Blessed"), ("decided_by", "cron"), ("time", "soon"), ("time", "2026-11-24T12:00:00"), ("time", 7),
        ("who", 5), ("reason", []), ("before", [["x"]]), ("before", 3),
    ],
)  # fmt: skip
def test_an_entry_that_says_what_cannot_be_is_damaged(tmp_path: Path, key: str, value: object) -> None:
    bless(tmp_path, "a", "b")
    values = json.loads(entry(tmp_path, 2).read_text())
    entry(tmp_path, 2).write_text(json.dumps({**values, key: value}))
    with pytest.raises(TablesError, match=r"00000002\.json, but "):
        blessed(tmp_path)


def test_an_entry_that_is_gone_from_between_others_is_named(tmp_path: Path) -> None:
    """Where it withdrew a blessing, the run would be blessed again."""
    bless(tmp_path, "a", "b", "c")
    entry(tmp_path, 2).unlink()
    with pytest.raises(TablesError, match=r"00000002\.json, but it is gone\. Restore the file from a backup"):
        blessed(tmp_path)


def test_a_last_entry_that_is_gone_is_not_replaced_by_the_one_before(tmp_path: Path) -> None:
    """Its row in the table says that it was there."""
    bless(tmp_path, "good", "better")
    entry(tmp_path, 2).unlink()
    with pytest.raises(TablesError, match=r"decision 2 of the log .* it is gone, though the table has its row"):
        blessed(tmp_path)


def test_what_the_message_says_to_do_helps_and_no_number_is_given_twice(tmp_path: Path) -> None:
    bless(tmp_path, "a", "b")
    entry(tmp_path, 2).write_text("{")
    with pytest.raises(TablesError, match=r"delete it and every file before it in that folder, and bless"):
        bless(tmp_path, "c")
    for sequence in (1, 2):
        entry(tmp_path, sequence).unlink()
    bless(tmp_path, "a")
    assert blessed(tmp_path) == ["a"]
    assert copies(tmp_path) == [1, 2, 3]


def test_the_first_entries_may_be_gone(tmp_path: Path) -> None:
    bless(tmp_path, "a", "b", "c")
    entry(tmp_path, 1).unlink()
    assert blessed(tmp_path) == ["c", "b"]


def test_other_files_are_no_entries(tmp_path: Path) -> None:
    bless(tmp_path, "a")
    for name in (".00000002.json.0123.tmp", "00000002 (copy).json", "7.json", "notes.txt"):
        (tmp_path / LOG / name).write_text("x")
    bless(tmp_path, "b")
    assert blessed(tmp_path) == ["b", "a"]


# how much is read


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    real = decision_log.read

    def read(log: decision_log.Log, sequence: int) -> Entry:
        found.append(sequence)
        return real(log, sequence)

    monkeypatch.setattr(decision_log, "read", read)
    return found


def written(output: Path, count: int) -> None:
    """A log as `append` writes it, in less time."""
    log, standing = decision_log.Log(str(output)), []
    (output / LOG).mkdir(parents=True)
    for number in range(1, count + 1):
        made = Decision(number, f"n{number}", "2026-11-24", "blessed", "gate", None, None, NOW)
        before = tuple(reversed(standing)) if number % decision_log.CHECKPOINT == 0 else None
        Path(log.path(number)).write_text(Entry(made, before).to_json("k"))
        standing.append(made.standing)


def test_the_last_of_thousands_is_found_in_few_reads(tmp_path: Path, reads: list[int]) -> None:
    written(tmp_path, 3000)
    assert next(blessing.decisions(str(tmp_path))).run_id == "n3000"
    assert len(reads) <= 1 + 16


def test_a_new_run_among_thousands_costs_a_checkpoint_at_most(tmp_path: Path, reads: list[int]) -> None:
    written(tmp_path, 3000)
    assert not blessing.is_blessed(run_of(tmp_path, "tonight"))
    assert len(reads) <= decision_log.CHECKPOINT + 16
    assert len(blessed(tmp_path)) == 3000


def test_every_run_is_known_across_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_log, "CHECKPOINT", 4)
    for number in range(11):
        bless(tmp_path, f"r{number % 3}")
    blessing.grant(run_of(tmp_path, "r0"), "gate", NOW)
    assert (blessed(tmp_path), copies(tmp_path)) == (["r1", "r0", "r2"], list(range(1, 12)))


# a bucket, and storage that fails


def test_a_log_in_a_bucket(remote: dict[str, bytes]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda writer: one_of_many("gs://bucket/out", f"w{writer}"), range(8)))
    assert len(blessed("gs://bucket/out")) == len([path for path in remote if "/_log/" in path]) == 40


def test_a_log_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "blessings").write_text("in the way")
    before = threading.active_count()
    with pytest.raises(StorageError, match=r"/blessings/_log/00000001\.json cannot be written: Not a directory"):
        bless(tmp_path, "a")
    assert threading.active_count() < before + 50
