"""Many threads at a time, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Who shares goes in beside others who share; who wants to be alone waits for them, and they for it.

    A thread that is inside must not ask again: one that waits to be alone keeps all others out.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing, self._alone = 0, 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Beside others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """With nobody else inside; of several who want that, one after the other."""
        with self._changed:
            self._alone += 1
            self._changed.wait_for(lambda: not self._sharing)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._alone -= 1
                self._changed.notify_all()
