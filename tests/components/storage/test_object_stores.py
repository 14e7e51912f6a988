"""Objects in buckets appear whole or not at all, whatever fails; against emulators of S3 and Google Cloud Storage."""

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from apache_beam.io.filesystems import FileSystems

from dicebeam.components.runs import run_files, runs_row
from dicebeam.components.runs.run_files import Run
from dicebeam.components.storage import filesystems, object_clients, object_stores, storage_errors
from dicebeam.schemas.errors import StorageError
from tests.support.buckets import Store, uploads

ODD = ["plain", "a b", "a[1]", "a*b", "a?c", "a'b", "ä", "a+b", "a%41", "a&b=c", "a#b"]
ROW = "runs/eval_date=2026-11-24/run_id=r1"


def write(path: str, data: bytes) -> None:
    with filesystems.committing(path) as file:
        file.write(data)


def write_and_fail(path: str, error: type[BaseException]) -> None:
    with filesystems.committing(path) as file:
        file.write(b"new" * (1 << 20))
        raise error


def run_of(store: Store) -> Run:
    return Run(f"{store.root}/out", "2026-11-24", "r1", "c", "m")


# committing


@pytest.mark.parametrize("data", [b"", b"rows", os.urandom(9 << 20)], ids=["empty", "small", "9 MB"])
def test_an_object_is_what_was_written(store: Store, data: bytes) -> None:
    write(f"{store.root}/a/f.parquet", data)
    assert store.names() == ["a/f.parquet"]
    assert store.data("a/f.parquet") == data


def test_nothing_is_there_before_the_block_ends(store: Store) -> None:
    with filesystems.committing(f"{store.root}/f") as file:
        file.write(os.urandom(6 << 20))
        file.flush()
        assert store.names() == store.unfinished() == []
    assert store.names() == ["f"]


def test_an_object_is_sent_once_under_its_own_name(store: Store) -> None:
    write(f"{store.root}/f", b"rows")
    assert [method for method, _ in store.faults.seen if uploads(method, "")] == [
        "PUT" if store.kind == "s3" else "POST"
    ]
    assert not [address for _, address in store.faults.seen if ".tmp" in address]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_in_the_block_sends_nothing(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error):
        write_and_fail(f"{store.root}/f", error)
    assert store.names() == store.unfinished() == []
    assert not [method for method, _ in store.faults.seen if uploads(method, "")]


def test_an_error_in_the_block_keeps_the_earlier_object(store: Store) -> None:
    write(f"{store.root}/f", b"old")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(f"{store.root}/f", ZeroDivisionError)
    assert store.data("f") == b"old"


def test_a_writer_that_is_forgotten_publishes_nothing(store: Store) -> None:
    block = filesystems.committing(f"{store.root}/f")
    block.__enter__().write(b"half")
    del block
    assert store.names() == []


def test_of_two_writers_the_last_one_stands_whole(store: Store) -> None:
    with filesystems.committing(f"{store.root}/f") as one, filesystems.committing(f"{store.root}/f") as two:
        one.write(b"one" * 1000)
        two.write(b"two" * 2000)
    assert store.data("f") == b"one" * 1000


def test_no_local_file_is_left(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        write_and_fail(f"{store.root}/f", ZeroDivisionError)
    write(f"{store.root}/f", b"rows")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_here_says_where(store: Store) -> None:
    with (
        pytest.raises(
            StorageError,
            match=rf"/f cannot be written: No space left on device; free space in {tempfile.gettempdir()}, .* TMPDIR",
        ),
        filesystems.committing(f"{store.root}/f"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert store.names() == []


# failing uploads


def test_an_upload_that_fails_for_a_while_is_tried_again(store: Store) -> None:
    with store.faults.answering(uploads, times=2):
        write(f"{store.root}/f", b"rows")
    assert store.faults.hits == 2
    assert store.data("f") == b"rows"


@pytest.mark.parametrize("old", [None, b"old"])
def test_an_upload_that_fails_for_ever_is_one_error_and_leaves_what_was_there(store: Store, old: bytes | None) -> None:
    if old:
        store.write("f", old)
    with (
        store.faults.answering(uploads),
        pytest.raises(
            StorageError, match=rf"^{store.root}/f cannot be written: [^\n]*503[^\n]*; see that the bucket|SlowDown"
        ),
    ):
        write(f"{store.root}/f", b"new rows")
    assert store.faults.hits > 1  # it was tried again
    assert store.names() == (["f"] if old else [])
    assert not old or store.data("f") == old
    assert store.unfinished() == []


def test_a_large_upload_that_fails_in_its_middle_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stores, "S3_WHOLE_BYTES", 5 << 20)
    monkeypatch.setattr(object_stores, "S3_PART_BYTES", 5 << 20)
    monkeypatch.setattr(object_stores, "GS_CHUNK_BYTES", 1 << 20)
    parts = iter(range(100))

    def second_part(method: str, address: str) -> bool:
        return method == "PUT" and "upload" in address.lower() and next(parts) > 0

    with (
        store.faults.answering(second_part),
        pytest.raises(StorageError, match=rf"^{store.root}/f cannot be written"),
    ):
        write(f"{store.root}/f", os.urandom(11 << 20))
    assert store.faults.hits > 1
    assert store.names() == store.unfinished() == []


def test_a_large_upload_in_parts_is_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stores, "S3_WHOLE_BYTES", 5 << 20)
    monkeypatch.setattr(object_stores, "S3_PART_BYTES", 5 << 20)
    monkeypatch.setattr(object_stores, "GS_CHUNK_BYTES", 1 << 20)
    data = os.urandom(11 << 20)
    write(f"{store.root}/f", data)
    assert store.data("f") == data
    assert store.unfinished() == []


def test_an_object_of_another_size_is_deleted_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_put_s3", "_put_gs"):
        real = getattr(object_stores, name)
        monkeypatch.setattr(object_stores, name, lambda *given, real=real: real(*given) - 1)
    with pytest.raises(
        StorageError, match=r"/f cannot be written: expected an object of 4 bytes, but it had 3; it is del"
    ):
        write(f"{store.root}/f", b"rows")
    assert store.names() == []


def test_another_writer_may_replace_the_object_before_its_size_is_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.kind == "gs":
        pytest.skip("Google's store says the size of the very upload")
    client = object_clients.s3()
    real = client.upload_fileobj

    def slow(file: Any, bucket: str, name: str, **how: Any) -> None:
        real(file, bucket, name, **how)
        store.write("f", b"of another writer")

    monkeypatch.setattr(client, "upload_fileobj", slow)
    write(f"{store.root}/f", b"rows")
    assert store.data("f") == b"of another writer"


# other operations


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_what_they_are(store: Store, name: str) -> None:
    if store.kind == "gs" and set(name) & set("?%#"):
        pytest.skip("gcp-storage-emulator quotes no names in the links it gives; Google does")
    write(f"{store.root}/{name}/f", b"rows")
    store.write("a1/f", b"other")
    assert sorted(store.names()) == sorted([f"{name}/f", "a1/f"])
    assert filesystems.exists(f"{store.root}/{name}/f")
    assert [file.path for file in filesystems.below(f"{store.root}/{name}", "*")] == [f"{store.root}/{name}/f"]
    filesystems.rename(f"{store.root}/{name}/f", f"{store.root}/{name}/g")
    with filesystems.reading(f"{store.root}/{name}/g") as file:
        assert file.read() == b"rows"
    filesystems.delete(f"{store.root}/{name}/g")
    assert store.names() == ["a1/f"]


def test_what_consoles_leave_for_a_folder_is_no_file(store: Store, tmp_path: Path) -> None:
    for name in ("model/variables/x", "model/saved_model.pb"):
        store.write(name, b"1")
    if store.kind == "s3":  # the other emulator takes no such name
        store.write("model/", b"")
        store.write("model/variables/", b"")
    filesystems.copy_folder(f"{store.root}/model", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").rglob("*")) == ["saved_model.pb", "variables", "x"]


def test_delete_of_what_is_not_there_is_no_error(store: Store) -> None:
    filesystems.delete(f"{store.root}/f")


def test_rename_of_what_is_not_there(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        filesystems.rename(f"{store.root}/f", f"{store.root}/g")


def test_reading_what_is_not_there(store: Store) -> None:
    with pytest.raises(FileNotFoundError), filesystems.reading(f"{store.root}/f"):
        pass


def test_exists_knows_objects_and_what_looks_like_a_folder(store: Store) -> None:
    store.write("a/b/f", b"1")
    assert [filesystems.exists(f"{store.root}/{name}") for name in ("a/b/f", "a/b", "a", "a/b/", "a/c", "b")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip


def test_a_bucket_that_can_be_written_is_left_empty(store: Store) -> None:
    filesystems.check_writable(f"{store.root}/out")
    assert store.names() == []


@pytest.mark.parametrize("kind", ["PUT POST", "DELETE"])
def test_a_bucket_that_cannot_be_written_or_not_be_deleted_in_is_refused(store: Store, kind: str) -> None:
    with (
        store.faults.answering(lambda method, _: method in kind),
        pytest.raises(StorageError, match=r"/out.* cannot be written: .*; see that the bucket is there, and that"),
    ):
        filesystems.check_writable(f"{store.root}/out")


def test_a_bucket_that_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(StorageError, match=r"//nobody/out cannot be written: .*; see that the bucket is there"):
        filesystems.check_writable(f"{store.kind}://nobody/out")


def test_abandoned_probes_are_deleted_by_age(store: Store) -> None:
    for name in ("out/.probe.1.tmp", "out/part-0.parquet", "out/deep/.x.tmp"):
        store.write(name, b"1")
    filesystems.delete_abandoned(f"{store.root}/out", older_than=time.time() - 3600)
    assert len(store.names()) == 3
    filesystems.delete_abandoned(f"{store.root}/out", older_than=time.time() + 3600)
    assert sorted(store.names()) == ["out/deep/.x.tmp", "out/part-0.parquet"]


@pytest.mark.parametrize("path", ["hdfs://host/f", "gs://", "s3://bucket", "http://host/f"])
def test_other_places_are_refused(path: str) -> None:
    with pytest.raises(StorageError, match=r"expected a local path, gs://BUCKET/PATH or s3://BUCKET/PATH, but got "):
        write(path, b"1")


# the row of `runs`, which is renamed


def row_of(store: Store) -> Run:
    run = run_files.Run(f"{store.root}/out", "2026-11-24", "r1", "c", "m")
    store.write(f"out/{ROW}/part-0.parquet", b"row")
    return run


def row_names(store: Store) -> list[str]:
    return [name.rpartition("/")[2] for name in store.names()]


def test_hiding_and_setting_aside_move_the_row(store: Store) -> None:
    run = row_of(store)
    runs_row.set_aside(run)
    assert row_names(store) == [".part-0.parquet.aside"]
    assert runs_row.stands(run)
    runs_row.put_back(run)
    assert row_names(store) == ["part-0.parquet"]
    runs_row.hide(run)
    assert row_names(store) == [".part-0.parquet.before"]
    assert not runs_row.stands(run)


@pytest.mark.parametrize("step", ["hide", "set_aside"])
def test_readers_see_the_row_until_its_copy_is_there_and_a_crash_between_is_gone_on_from(
    store: Store, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = row_of(store), []
    with monkeypatch.context() as patch:

        def die(path: str) -> None:
            if path.endswith(f"/{runs_row.FILE}"):
                seen.append(sorted(row_names(store)))
                raise KeyboardInterrupt

        patch.setattr(object_stores, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            getattr(runs_row, step)(run)
    assert [names[-1] for names in seen] == ["part-0.parquet"]
    assert len(seen[0]) == 2
    getattr(runs_row, step)(run)
    assert len(row_names(store)) == 1
    assert "part-0.parquet" not in row_names(store)
    assert runs_row.stands(run) is (step == "set_aside")


def test_a_crash_while_the_row_is_put_back_shows_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = row_of(store)
    runs_row.set_aside(run)
    with monkeypatch.context() as patch:
        patch.setattr(object_stores, "delete", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs_row.put_back(run)
    assert sorted(row_names(store)) == [".part-0.parquet.aside", "part-0.parquet"]
    runs_row.hide(run)
    assert row_names(store) == [".part-0.parquet.before"]


@pytest.mark.parametrize("kind", ["PUT POST", "DELETE"])
@pytest.mark.parametrize("step", ["hide", "set_aside"])
def test_a_row_that_cannot_be_taken_away_is_an_error(store: Store, step: str, kind: str) -> None:
    """Else tables would change beside a row that readers still see."""
    run = row_of(store)
    with (
        store.faults.answering(lambda method, _: method in kind.split()),
        pytest.raises(StorageError, match=r"/runs/.* cannot be written: "),
    ):
        getattr(runs_row, step)(run)
    assert "part-0.parquet" in row_names(store)


def test_a_row_that_another_process_took_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = row_of(store)
    monkeypatch.setattr(filesystems, "exists", lambda _: True)
    store_delete = object_stores.delete
    store_delete(f"{run.folder('runs')}/part-0.parquet")
    runs_row.hide(run)
    assert row_names(store) == []


# errors


def test_a_table_is_written_and_read_back(store: Store) -> None:
    run_files.write_table(pa.table({"a": [1]}), run_of(store), "runs", "part-0.parquet")
    assert store.names() == [f"out/{ROW}/part-0.parquet"]


def test_what_a_store_says_comes_in_one_line() -> None:
    assert storage_errors.in_one_line(ValueError("a\nb  c" + "x" * 1000)) == "a b c" + "x" * 395
    assert storage_errors.in_one_line(ValueError()) == "ValueError"


def test_beams_own_writer_is_not_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileSystems, "create", lambda *_, **__: pytest.fail("Beam's writer"))
    write(f"{store.root}/f", b"rows")
    filesystems.check_writable(f"{store.root}/out")
