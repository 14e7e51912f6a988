"""A bucket that is far away, for a process: each of its requests takes so many milliseconds longer.

    python -m benchmarks.slow_store 20 FOLDER gate CONFIG.yaml --set output=gs://slow/reports

runs a command of dicebeam with a local folder in the place of every gs:// bucket: gs://slow/x is FOLDER/slow/x. What
`object_stores` does is done to local files, and every request that it would make waits first: one to open an object,
one for each range that is read, one for each 1,000 names below the listed prefix, one to write, look for, or delete an
object, two to rename one. At the end standard error has the number of requests.
"""

import io
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dicebeam.components.storage import globs, object_stores
from dicebeam.components.storage.object_stores import Stored
from dicebeam.pipeline import cli

NAMES_A_PAGE = 1000


class SlowStore:
    """Objects in a local folder; `requests` counts what was asked of it."""

    def __init__(self, folder: Path, milliseconds: float) -> None:
        """Keep where the objects are and how long a request takes."""
        self._folder, self._seconds = folder, milliseconds / 1000
        self._lock = threading.Lock()
        self.requests = 0

    def install(self) -> None:
        """Put it in the place of the object stores of this process."""
        for name in ("put", "listed", "size_and_version", "opened", "exists", "delete", "rename"):
            setattr(object_stores, name, getattr(self, name))

    def wait(self, requests: int = 1) -> None:
        """Let so many requests pass, one after another."""
        with self._lock:
            self.requests += requests
        time.sleep(requests * self._seconds)

    def _path(self, path: str) -> Path:
        return self._folder / path.partition("://")[2]

    def put(self, file: BinaryIO, path: str) -> None:
        """Write an object."""
        self.wait()
        self._path(path).parent.mkdir(parents=True, exist_ok=True)
        file.seek(0)
        with self._path(path).open("wb") as out:
            shutil.copyfileobj(file, out)

    def size_and_version(self, path: str) -> tuple[int, str]:
        """The size of an object; its version is not known here."""
        self.wait()
        return self._path(path).stat().st_size, ""

    def listed(self, pattern: str, *, dotted: bool = False) -> list[Stored]:
        """The objects that match a glob, found among all names below what stands before its first star."""
        wanted = globs.parts(pattern, dotted=dotted)
        prefix = globs.beginning(wanted)
        below = self._path(prefix if prefix.endswith("/") else prefix.rpartition("/")[0])
        start = len(str(self._path(pattern.partition("://")[0] + "://")))
        scheme = pattern.partition("://")[0] + "://"
        files = [path for path in below.rglob("*") if path.is_file()]
        found = [(scheme + str(path)[start:].lstrip("/"), path) for path in files]
        found = [(name, path) for name, path in found if name.startswith(prefix)]
        self.wait(1 + len(found) // NAMES_A_PAGE)
        each = ((name, path.stat()) for name, path in found if globs.fits(wanted, name.split("/")))
        return [Stored(name, stat.st_size, stat.st_mtime) for name, stat in each]

    def opened(self, path: str) -> BinaryIO:
        """An object to read from."""
        self.wait()
        return _SlowFile(self._path(path), self.wait)  # type: ignore[return-value]

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        self.wait()
        return self._path(path).is_file()

    def delete(self, path: str) -> None:
        """Delete an object that may not be there."""
        self.wait()
        self._path(path).unlink(missing_ok=True)

    def rename(self, source: str, destination: str) -> None:
        """Give an object another name."""
        self.wait(2)
        self._path(source).replace(self._path(destination))


class _SlowFile(io.FileIO):
    """A file of which each range is a request."""

    def __init__(self, path: Path, wait: Callable[[], None]) -> None:
        super().__init__(path)
        self._wait = wait

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything with bytes
        self._wait()
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._wait()
        return super().readall()


def main() -> None:
    """Run the command."""
    milliseconds, folder, *command = sys.argv[1:]
    store = SlowStore(Path(folder), float(milliseconds))
    store.install()
    try:
        cli.main(command)
    finally:
        sys.stderr.write(f"{store.requests} requests\n")


if __name__ == "__main__":
    main()
