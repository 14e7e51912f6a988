"""A time limit for calls that nothing can interrupt, such as TensorFlow's.

The call runs in a daemon thread that lives as long as the thread that calls, so a call costs two hand-overs. A call
that is given up on goes on in its thread, for ever if it hangs: a process with one of those must not wait for it.
"""

import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Outcome = tuple[Any, BaseException | None]
_mine = threading.local()
_given_up: set["_Helper"] = set()


class _Helper:
    """The thread that works for one other thread; it ends when that one does."""

    def __init__(self) -> None:
        self.tasks: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        thread = threading.Thread(target=_work, args=(self.tasks, self.outcomes), name="dicebeam-model", daemon=True)
        thread.start()
        self.end = weakref.finalize(self, self.tasks.put, None)


def _work(tasks: "SimpleQueue[Callable[[], Any] | None]", outcomes: "SimpleQueue[_Outcome]") -> None:
    while (task := tasks.get()) is not None:
        try:
            outcome: _Outcome = (task(), None)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
            outcome = (None, error)
        outcomes.put(outcome)
        del task, outcome  # an idle thread keeps no batch alive


def call(function: Callable[[], T], seconds: float) -> T:
    """What the function returns or raises, if it does so in time.

    Raises:
        TimeoutError: if it does not; the function goes on all the same.
    """
    helper: _Helper | None = getattr(_mine, "helper", None)
    if helper is None:
        helper = _mine.helper = _Helper()
    helper.tasks.put(function)
    try:
        value, error = helper.outcomes.get(timeout=seconds)
    except BaseException as error:  # Ctrl-C as well: its late outcome must not become the next call's
        _mine.helper = None
        _given_up.add(helper)
        helper.end()
        if isinstance(error, Empty):
            raise TimeoutError from None
        raise
    if error is not None:
        raise error
    result: T = value
    return result


def still_running() -> int:
    """How many calls were given up on and have not come back."""
    _given_up.difference_update([helper for helper in _given_up if not helper.outcomes.empty()])
    return len(_given_up)
