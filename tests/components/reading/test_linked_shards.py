"""A shard is a file on the disk, once, whatever links lead to it; and one that cannot be read ends the plan."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dicebeam.components.reading import find_shards
from dicebeam.schemas.errors import ConfigError, StorageError


def touch(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def looked(root: Path, *patterns: str) -> tuple[list[str], int]:
    found = find_shards.look([pattern if pattern.startswith("/") else f"{root}/{pattern}" for pattern in patterns])
    return [shard.path[len(str(root)) + 1 :] for shard in found.shards], found.left_out


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for day in ("01", "02"):
        touch(tmp_path / f"data/2026-01-{day}/v.tfrecord", day.encode())
    return tmp_path


BOTH = ["data/2026-01-01/v.tfrecord", "data/2026-01-02/v.tfrecord"]


@pytest.mark.parametrize("pattern", ["data/**/v.tfrecord", "data/*/v.tfrecord", "data/**"])
@pytest.mark.parametrize("name", ["latest", "a-first"])
def test_a_link_to_a_folder_beside_it(data: Path, pattern: str, name: str) -> None:
    (data / "data" / name).symlink_to("2026-01-02")
    assert looked(data, pattern) == (BOTH, 1)


def test_links_to_the_folders_above(data: Path) -> None:
    (data / "data/2026-01-01/all").symlink_to("..")
    (data / "data/2026-01-02/root").symlink_to(data)
    assert looked(data, "data/**/v.tfrecord")[0] == BOTH
    assert looked(data, "**/*.tfrecord") == (BOTH, 2)


def test_links_to_files(data: Path) -> None:
    (data / "data/2026-01-01/link.tfrecord").symlink_to("v.tfrecord")
    os.link(data / BOTH[1], data / "data/2026-01-02/w.tfrecord")
    assert looked(data, "data/*/*.tfrecord") == (BOTH, 2)
    assert looked(data, "data/*/[lw]*.tfrecord") == (
        ["data/2026-01-01/link.tfrecord", "data/2026-01-02/w.tfrecord"],
        0,
    )


def test_patterns_that_reach_one_file_in_several_ways(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "data/latest").symlink_to("2026-01-02")
    monkeypatch.chdir(data)
    patterns = ["data/latest/v.tfrecord", f"{data}/data/*/v.tfrecord", "data/../data/2026-01-0?/v.tfrecord"]
    found = [find_shards.look(order) for order in (patterns, patterns[::-1])]
    assert [shard.path for shard in found[0].shards] == [f"{data}/{name}" for name in BOTH]
    assert found[0] == found[1]
    assert [shard.path for shard in find_shards.find(["data/latest/v.tfrecord"])] == [f"{data}/data/latest/v.tfrecord"]


def test_two_files_of_equal_content_are_two(data: Path) -> None:
    for name in BOTH:
        touch(data / name, b"same")
        os.utime(data / name, ns=(10**18, 10**18))
    assert looked(data, "data/**/*.tfrecord") == (BOTH, 0)


def test_a_mount_that_is_gone_is_no_smaller_evaluation(data: Path) -> None:
    (data / "data/site_b").symlink_to("/mnt/site_b")
    for pattern in ("data/*/v.tfrecord", "data/**/*.tfrecord"):
        with pytest.raises(StorageError, match=r"/data/site_b is a link to /mnt/site_b, where nothing is; mount"):
            find_shards.find([f"{data}/{pattern}"])
    with pytest.raises(StorageError, match="is a link to /mnt/site_b"):
        find_shards.find([f"{data}/data/site_b/v.tfrecord"])
    with pytest.raises(ConfigError, match="no file matches"):
        find_shards.find([f"{data}/data/site_c/v.tfrecord"])


AS_NOBODY = """
import os, sys
from dicebeam.components.reading import find_shards
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for pattern in sys.argv[1:]:
    try:
        print(len(find_shards.find([pattern])))
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_another_user_may_not_read(data: Path) -> None:
    for folder in [data, *data.parents]:
        if str(folder).startswith("/tmp/"):  # noqa: S108 - where pytest's folders are, which are closed to others
            folder.chmod(0o755)
    touch(data / "data/2026-01-03/v.tfrecord").parent.chmod(0)
    touch(data / "other/v.tfrecord").chmod(0)
    touch(data / "other/w.tfrecord").chmod(0)
    patterns = ("data/*/v.tfrecord", "data/**/v.tfrecord", "data/2026-01-03/v.tfrecord", "other/v.tfrecord", "other/*")
    given = [f"{data}/{pattern}" for pattern in patterns]
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, *given], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    for line in lines[:3]:
        assert line.startswith("StorageError ")
        assert "/data/2026-01-03" in line
        assert "Permission denied" in line
    assert "other/v.tfrecord cannot be read: fix the permissions" in lines[3]
    assert "other/v.tfrecord cannot be read, nor can 1 more: fix the permissions" in lines[4]
