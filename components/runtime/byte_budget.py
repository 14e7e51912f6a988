"""How many bytes the threads of a process may hold ahead of their consumers, all together."""

import threading
from collections.abc import Callable

AHEAD_BYTES = 128 << 20
"""Records and decoded samples that wait for a batch; a batch of 16 samples of 2,048 x 1,024 pixels has 134 MB."""


class ByteBudget:
    """Bytes that are held, and whoever waits for there to be less.

    Who must go on whatever is held (or nobody would ever take what is) does not wait: the limit may be exceeded by what
    is being made at that moment.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bytes."""
        return self._held

    def has_room(self) -> bool:
        """Whether less than the limit is held."""
        return self._held < self._limit

    def add(self, count: int) -> None:
        """Hold so many bytes more, or less where the count is negative."""
        with self._changed:
            self._held += count
            self._changed.notify_all()

    def wait(self, must_go_on: Callable[[], bool]) -> None:
        """Return once there is room, or the function, which is asked again after every change, says so."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_room() or must_go_on())


of_process = ByteBudget(AHEAD_BYTES)
"""What all shards share that are read in this process at the same time."""
