"""Versions of files: whether what is opened is what was listed.

In a bucket it is the generation (Google) or the ETag (S3). On this machine it is the time of the last write, beside the
time of the last change of the inode and its number: a file that was put in the place of another one has both of these
anew. Each alone is no sign: a new link or another permission moves the former, and the latter is not kept by every
network file system. Microseconds, because a network file system may keep fewer digits than a disk does.
"""

import os

from ...schemas.errors import StorageError
from ...schemas.files import StoredFile

_LOCAL = "local"


def of_status(status: os.stat_result) -> str:
    """The version of a file on this machine."""
    return f"{_LOCAL}/{status.st_mtime_ns // 1000}/{status.st_ctime_ns // 1000}/{status.st_ino}"


def lasting(version: str) -> str:
    """What of a version is the same wherever the file is looked at from: without the inode and its time."""
    return version.rpartition("/")[0].rpartition("/")[0] if version.startswith(f"{_LOCAL}/") else version


def same(before: str, now: str) -> bool:
    """Whether two versions are of the same bytes, as far as can be told; one that nobody knows is like any other."""
    if not before or not now or before == now:
        return True
    if lasting(before) != lasting(now) or not before.startswith(f"{_LOCAL}/"):
        return False
    return any(a == b for a, b in zip(before.split("/")[2:], now.split("/")[2:], strict=True))


def certainly_same(before: str, now: str) -> bool:
    """Whether two versions are of the same bytes beyond doubt; where nobody knows one, there is nothing to doubt.

    Without doubt is a file with both of its times: one that is written over in its place and given its old time again
    has another time of its inode, and so has one with a new link or another permission.
    """
    if not same(before, now):
        return False
    return (
        not before
        or not now
        or before.rpartition("/")[0] == now.rpartition("/")[0]
        or not before.startswith(f"{_LOCAL}/")
    )


def check(planned: StoredFile, now: StoredFile) -> None:
    """Hold what is read against what was listed.

    Raises:
        StorageError: if it is another size or version.
    """
    if planned.size_bytes == now.size_bytes and same(planned.version, now.version):
        return
    what = f"it had {planned.size_bytes:,} bytes and has {now.size_bytes:,} now"
    if planned.size_bytes == now.size_bytes:
        what = f"its {now.size_bytes:,} bytes were written anew"
    msg = (
        f"{planned.path} has changed since it was listed: {what}. Nothing of it is kept; let its writer end, then run "
        "again"
    )
    raise StorageError(msg)
