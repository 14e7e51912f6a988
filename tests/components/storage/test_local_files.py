"""What a pattern gives and cannot be read is an error; links are followed, and their loops end."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dicebeam.components.storage import filesystems, local_files
from dicebeam.schemas.errors import StorageError
from dicebeam.schemas.files import StoredFile


def touch(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def found(root: Path, pattern: str, **how: object) -> list[str]:
    return [file.path[len(str(root)) + 1 :] for file in filesystems.match(f"{root}/{pattern}", **how)]  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["*.x", "gone.x", "**", "**/*.x", "*/*.x", "g?ne.x/*.x", "gone.x/a.x", "**/none"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path / "a.x")
    (tmp_path / "gone.x").symlink_to("/not/mounted")
    with pytest.raises(StorageError, match=r"gone\.x.* cannot be read: \S*/gone\.x is a link to /not/mounted, "):
        filesystems.match(f"{tmp_path}/{pattern}")


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.x").symlink_to("a.x")
    with pytest.raises(StorageError, match=r"/a\.x cannot be read: Too many levels of symbolic links; "):
        filesystems.match(f"{tmp_path}/*")


def test_links_that_no_part_of_the_pattern_gives_do_no_harm(tmp_path: Path) -> None:
    touch(tmp_path / "a.x")
    for name in ("gone.y", ".gone.x"):
        (tmp_path / name).symlink_to("/not/mounted")
    assert found(tmp_path, "*.x") == ["a.x"]


def test_what_is_not_there_at_all_is_nothing(tmp_path: Path) -> None:
    touch(tmp_path / "a.x")
    for pattern in ("b.x", "b/*.x", "b/**", "a.x/*", "a.x/b", "*/b.x"):
        assert found(tmp_path, pattern) == []


def test_a_file_that_is_deleted_while_it_is_listed_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.x", "b.x"):
        touch(tmp_path / name)
    real = os.stat

    def deleting(path: str, *args: object, **how: object) -> os.stat_result:
        (tmp_path / "a.x").unlink(missing_ok=True)
        return real(path, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(local_files.os, "stat", deleting)
    assert found(tmp_path, "*.x") == ["b.x"]


def failing(real: Callable[..., object], what: str, error: OSError) -> Callable[..., object]:
    def call(path: object, *args: object, **how: object) -> object:
        if str(path).endswith(what):
            raise error
        return real(path, *args, **how)

    return call


@pytest.mark.parametrize("pattern", ["*/*.x", "**/*.x", "**", "closed/*", "*/a.x*"])
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(116, "Stale file handle")])
def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, pattern: str, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "open" / "a.x")
    touch(tmp_path / "closed" / "a.x")
    monkeypatch.setattr(local_files.os, "scandir", failing(os.scandir, "/closed", error))
    with pytest.raises(StorageError, match=rf"/closed cannot be read: {error.strerror}; mount what it is on or"):
        filesystems.match(f"{tmp_path}/{pattern}")


@pytest.mark.parametrize("pattern", ["*.x", "a.x", "**"])
def test_a_file_that_cannot_be_looked_at_is_named(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.x")
    monkeypatch.setattr(local_files.os, "stat", failing(os.stat, "/a.x", OSError(5, "Input/output error")))
    with pytest.raises(StorageError, match=r"/a\.x cannot be read: Input/output error; "):
        filesystems.match(f"{tmp_path}/{pattern}")


def test_what_only_root_may_list_at_the_top_of_a_disk_is_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.x")
    (tmp_path / "lost+found").mkdir()
    monkeypatch.setattr(local_files.os, "scandir", failing(os.scandir, "+found", PermissionError(13, "denied")))
    assert found(tmp_path, "**/*.x") == ["a.x"]


def test_a_pipe_or_a_socket_is_refused_and_a_folder_is_none_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.x")
    (tmp_path / "folder.x").mkdir()
    assert found(tmp_path, "*.x") == ["a.x"]
    os.mkfifo(tmp_path / "pipe.x")
    with pytest.raises(StorageError, match=r"expected a file at \S*/pipe\.x, but it is a pipe; move it away"):
        filesystems.match(f"{tmp_path}/*.x")
    (tmp_path / "pipe.x").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # its name may have 100 characters
        server.bind("s.x")
        with pytest.raises(StorageError, match=r"/s\.x, but it is a socket"):
            filesystems.match(f"{tmp_path}/*.x")
    assert stat.S_ISSOCK((tmp_path / "s.x").stat().st_mode)


def test_a_folder_below_itself_is_visited_once(tmp_path: Path) -> None:
    touch(tmp_path / "d" / "e" / "v.x")
    (tmp_path / "d" / "e" / "up").symlink_to(tmp_path)
    (tmp_path / "d" / "here").symlink_to(".")
    left_out: list[str] = []
    assert found(tmp_path, "**/v.x", left_out=left_out) == found(tmp_path, "**/v.x") == ["d/e/v.x"]
    assert sorted(left_out) == [f"{tmp_path}/d/e/up", f"{tmp_path}/d/here"]


def test_folders_that_all_link_to_each_other_end_soon(tmp_path: Path) -> None:
    folders = [tmp_path / f"d{i:02d}" for i in range(20)]
    for folder in folders:
        touch(folder / "v.x")
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    assert found(tmp_path, "**/v.x", left_out=[]) == [f"{folder.name}/v.x" for folder in folders]


def test_a_linked_folder_is_visited_under_its_own_name_where_it_has_one(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "z-2026" / "v.x")
    (tmp_path / "data" / "a-latest").symlink_to("z-2026")
    assert found(tmp_path, "data/**/v.x", left_out=[]) == ["data/z-2026/v.x"]
    assert found(tmp_path, "data/**/v.x") == ["data/a-latest/v.x", "data/z-2026/v.x"]
    assert found(tmp_path, "data/**/a-latest/*.x", left_out=[]) == ["data/a-latest/v.x"]


def test_folders_outside_are_visited_once_each_whatever_links_lead_there(tmp_path: Path) -> None:
    touch(tmp_path / "far" / "sub" / "v.x")
    (tmp_path / "d").mkdir()
    for name, to in (("b", "far"), ("c", "far"), ("a", "far/sub")):
        (tmp_path / "d" / name).symlink_to(tmp_path / to)
    assert found(tmp_path, "d/**/v.x", left_out=[]) == ["d/a/v.x"]


def listed(*paths: Path) -> list[StoredFile]:
    return [file for path in paths for file in filesystems.match(str(path))]


def names(files: list[StoredFile]) -> list[str]:
    return [file.path.rpartition("/")[2] for file in files]


def test_several_names_of_a_file_are_one(tmp_path: Path) -> None:
    real, other = touch(tmp_path / "m"), touch(tmp_path / "n")
    (tmp_path / "a").symlink_to(real)
    os.link(real, tmp_path / "z")
    paths = [tmp_path / name for name in "azmn"]
    assert names(local_files.one_name_each(listed(*paths))) == ["m", "n"]
    assert names(local_files.one_name_each(listed(*paths[::-1]))) == ["m", "n"]
    assert names(local_files.one_name_each(listed(tmp_path / "a", other))) == ["a", "n"]


def test_files_of_equal_bytes_and_times_are_two(tmp_path: Path) -> None:
    paths = [touch(tmp_path / name) for name in "ab"]
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))
    assert names(local_files.one_name_each(listed(*paths))) == ["a", "b"]


def test_where_inodes_say_nothing_no_file_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [touch(tmp_path / name) for name in "ab"]
    (tmp_path / "c").symlink_to(paths[0])

    class NoInodes:
        def __init__(self, real: os.stat_result) -> None:
            self.st_mode, self.st_size = real.st_mode, real.st_size
            self.st_mtime_ns = self.st_ctime_ns = self.st_ino = self.st_dev = 0

    real = os.stat
    monkeypatch.setattr(local_files.os, "stat", lambda path: NoInodes(real(path)))
    assert names(local_files.one_name_each(listed(*paths, tmp_path / "c"))) == ["a", "b"]
