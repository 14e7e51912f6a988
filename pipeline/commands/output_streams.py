"""Standard output and error that never decide what a command ends with: a night is not lost to a full or closed one."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class Forgiving:
    """A stream whose writes cannot fail: where it is full or closed, the rest of the output is dropped."""

    def __init__(self, stream: TextIO | None) -> None:
        """Keep a stream; None is one that was closed before the process began."""
        self._stream = io.StringIO() if stream is None else stream
        self.lost = False

    def write(self, text: str) -> int:
        """Write what can be written."""
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            self.lost = True
            # what is buffered would fail again when the process ends, which then exits with a code of its own
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        """Everything else is the stream's."""
        return getattr(self._stream, name)


def _open_descriptors() -> None:
    """Open what was closed before the process began: or the next file, a table perhaps, would be standard error."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one


def lost() -> bool:
    """Whether output was dropped: what Python makes of such a stream when it ends may be an exit code of its own."""
    return any(isinstance(stream, Forgiving) and stream.lost for stream in (sys.stdout, sys.stderr))


@contextmanager
def installed(*, forgiving: bool) -> Iterator[None]:
    """In the block, text that a terminal cannot encode is written as escapes.

    Args:
        forgiving: whether output may be lost; not where the output is what a command is for.
    """
    _open_descriptors()
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if forgiving or before[0] is None:  # None was closed before the process began: nobody waits for the output
        sys.stdout = Forgiving(before[0])
    sys.stderr = Forgiving(before[1])
    try:
        yield
    finally:
        own = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in own:
            if isinstance(stream, Forgiving):
                stream.flush()
