"""Files as Beam's filesystems see them; here the local one."""

import errno
import gzip
import os
from pathlib import Path

import pytest

from dicebeam.components.storage import filesystems
from dicebeam.schemas.errors import StorageError
from dicebeam.schemas.files import StoredFile

ODD = ["plain", "a b", "a[1]", "a*b", "a?c", "a'b", "ä"]


def touch(path, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_and_fail(path, error):
    with filesystems.committing(str(path)) as file:
        file.write(b"new")
        raise error


@pytest.mark.parametrize(("path", "remote"), [("gs://b/x", True), ("s3://b", True), ("/x", False), ("x/y", False)])
def test_is_remote(path, remote):
    assert filesystems.is_remote(path) is remote


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert filesystems.absolute("data/*.tfrecord") == f"{tmp_path}/data/*.tfrecord"


def test_a_remote_path_stays_as_it_is():
    assert filesystems.absolute("gs://bucket/a/*") == "gs://bucket/a/*"


def test_the_home_folder_is_expanded():
    assert filesystems.absolute("~/x") == str(Path("~/x").expanduser())


def test_match_is_sorted_and_knows_sizes(tmp_path):
    touch(tmp_path / "b.x", b"12")
    touch(tmp_path / "a.x", b"123")
    touch(tmp_path / "c.y")
    assert filesystems.match(f"{tmp_path}/*.x") == [StoredFile(f"{tmp_path}/a.x", 3), StoredFile(f"{tmp_path}/b.x", 2)]


def test_match_of_a_relative_pattern(tmp_path, monkeypatch):
    touch(tmp_path / "a.x")
    monkeypatch.chdir(tmp_path)
    assert [s.path for s in filesystems.match("*.x")] == [f"{tmp_path}/a.x"]


def test_match_gives_no_folders(tmp_path):
    (tmp_path / "folder.x").mkdir()
    assert filesystems.match(f"{tmp_path}/*.x") == []


def test_one_star_stays_in_a_folder_and_two_do_not(tmp_path):
    touch(tmp_path / "a.x")
    touch(tmp_path / "deep" / "b.x")
    assert len(filesystems.match(f"{tmp_path}/*.x")) == 1
    assert len(filesystems.match(f"{tmp_path}/**/*.x")) == 2


def test_linked_folders_are_followed(tmp_path):
    touch(tmp_path / "real" / "a.x")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to(tmp_path / "real")
    assert [shard.path for shard in filesystems.match(f"{tmp_path}/d/*/*.x")] == [f"{tmp_path}/d/link/a.x"]
    assert [shard.path for shard in filesystems.below(f"{tmp_path}/d", "**")] == [f"{tmp_path}/d/link/a.x"]


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("name", ODD)
def test_below_takes_the_folder_as_it_is_named(tmp_path, name):
    touch(tmp_path / name / "x" / "f.parquet")
    touch(tmp_path / "a1" / "x" / "other.parquet")
    assert [s.path for s in filesystems.below(f"{tmp_path}/{name}/", "*/*.parquet")] == [
        f"{tmp_path}/{name}/x/f.parquet"
    ]


def test_exists(tmp_path):
    touch(tmp_path / "a")
    assert filesystems.exists(f"{tmp_path}/a")
    assert filesystems.exists(str(tmp_path))
    assert not filesystems.exists(f"{tmp_path}/b")


@pytest.mark.parametrize(("name", "stored"), [("a", b"hello"), ("a.gz", gzip.compress(b"hello", mtime=0))])
def test_reading_decompresses_by_name(tmp_path, name, stored):
    touch(tmp_path / name, stored)
    with filesystems.reading(f"{tmp_path}/{name}") as file:
        assert file.read() == b"hello"


@pytest.mark.parametrize("name", ["a", "a.gz", "a.bz2", "a.zst"])
def test_reading_stored_never_decompresses(tmp_path, name):
    touch(tmp_path / name, gzip.compress(b"hello"))
    with filesystems.reading_stored(f"{tmp_path}/{name}") as file:
        assert file.read() == (tmp_path / name).read_bytes()


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(OSError, match="nothing"), filesystems.reading(f"{tmp_path}/nothing"):
        pass


def test_committing_makes_folders_and_gives_the_name_at_the_end(tmp_path):
    path = tmp_path / "a" / "b" / "f.parquet"
    with filesystems.committing(str(path)) as file:
        file.write(b"rows")
        assert not path.exists()
        assert not list(path.parent.glob("*.parquet"))
    assert path.read_bytes() == b"rows"
    assert names(path.parent) == ["f.parquet"]


def test_an_error_while_committing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / "f", ZeroDivisionError)
    assert names(tmp_path) == []


def test_an_error_while_committing_keeps_the_earlier_file(tmp_path):
    touch(tmp_path / "f", b"old")
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(tmp_path / "f", KeyboardInterrupt)
    assert (tmp_path / "f").read_bytes() == b"old"


def test_committing_replaces_an_earlier_file(tmp_path):
    touch(tmp_path / "f", b"old")
    with filesystems.committing(f"{tmp_path}/f") as file:
        file.write(b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with filesystems.committing(f"{tmp_path}/f") as one, filesystems.committing(f"{tmp_path}/f") as two:
        one.write(b"one")
        two.write(b"two")
    assert (tmp_path / "f").read_bytes() == b"one"
    assert names(tmp_path) == ["f"]


def test_a_failing_rename_is_raised_and_cleaned_up(tmp_path):
    (tmp_path / "f").mkdir()
    with (
        pytest.raises(StorageError, match=r"/f cannot be written: Is a directory; free space there or fix"),
        filesystems.committing(f"{tmp_path}/f") as file,
    ):
        file.write(b"x")
    assert names(tmp_path) == ["f"]


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    filesystems.check_writable(f"{tmp_path}/a/b")
    assert names(tmp_path / "a" / "b") == []


def test_a_folder_that_cannot_be_made(tmp_path):
    touch(tmp_path / "file")
    with pytest.raises(StorageError, match=r"file/a/b cannot be written: Not a directory"):
        filesystems.check_writable(f"{tmp_path}/file/a/b")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(StorageError, match=r"cannot be written: Permission denied; free space there or fix its perm"):
        filesystems.check_writable(f"{tmp_path}/a")


def test_folders_made_for_a_file_that_cannot_be_written_are_gone(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(filesystems.FileSystems, "create", full)
    with pytest.raises(StorageError, match=r"/a/b cannot be written: No space left on device"):
        filesystems.check_writable(f"{tmp_path}/a/b")
    assert names(tmp_path) == []


def test_delete_of_what_is_not_there_is_no_error(tmp_path):
    touch(tmp_path / "f")
    filesystems.delete(f"{tmp_path}/f")
    filesystems.delete(f"{tmp_path}/f")
    assert names(tmp_path) == []


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("name", ["model", "model[1]"])
def test_copy_folder_copies_every_file_below(tmp_path, name):
    touch(tmp_path / name / "saved_model.pb", b"graph")
    touch(tmp_path / name / "variables" / "v.index", b"index")
    filesystems.copy_folder(f"{tmp_path}/{name}", tmp_path / "copy")
    assert (tmp_path / "copy" / "saved_model.pb").read_bytes() == b"graph"
    assert (tmp_path / "copy" / "variables" / "v.index").read_bytes() == b"index"


def test_make_folder_of_a_bucket_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filesystems.make_folder("gs://bucket/x")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["*", "a[1]", "?"])
def test_a_local_path_with_signs_of_a_pattern_is_deleted_alone(tmp_path, name):
    for other in (name, "1", "a1"):
        (tmp_path / other).mkdir()
        (tmp_path / other / "x").write_bytes(b"1")
    filesystems.delete(f"{tmp_path}/{name}/x")
    filesystems.delete(f"{tmp_path}/{name}/x")  # that is not there any more
    assert sorted(path.parent.name for path in tmp_path.glob("*/x")) == ["1", "a1"]


def test_a_file_that_fails_leaves_nothing_in_a_folder_with_signs_of_a_pattern(tmp_path):
    with pytest.raises(ValueError, match="stop"), filesystems.committing(f"{tmp_path}/a[1]/x"):
        raise ValueError("stop")
    assert list((tmp_path / "a[1]").iterdir()) == []
