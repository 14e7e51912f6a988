"""Threads that work ahead of a slower consumer, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from .byte_budget import ByteBudget

A = TypeVar("A")
B = TypeVar("B")


class Held(NamedTuple, Generic[A, B]):
    """What waits in memory: the bytes of an item and of its result, and the budget that they are taken from."""

    item: Callable[[A], int]
    result: Callable[[B], int]
    budget: ByteBudget


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    threads: int,
    ahead: int,
    name: str,
    held: Held[A, B] | None = None,
) -> Iterator[B]:
    """`map`, but the next `ahead` results are computed in threads while the consumer is busy.

    An error of the function or of the items is raised at its place. If the consumer stops early, what has not
    begun is dropped. The threads are called by `name`, so that a stack trace of a process says what they do.

    With `held` no item is taken and no result computed while the budget is used up, except the next that the consumer
    takes: several maps that share a budget slow each other down, and none waits for ever. What each gives is the same.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=f"dicebeam-{name}")
    work = _Work(function, held or Held(lambda _: 0, lambda _: 0, ByteBudget(1)))
    pending: deque[Future[B]] = deque()
    try:
        for future in _futures(pool, work, items):
            pending.append(future)
            del future  # it holds a result
            while pending and (len(pending) > ahead or not work.has_room()):
                yield work.taken(pending.popleft())
        while pending:
            yield work.taken(pending.popleft())
    finally:
        work.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        work.forget()


def _futures(pool: ThreadPoolExecutor, work: "_Work[A, B]", items: Iterable[A]) -> Iterator[Future[B]]:
    try:
        for place, item in enumerate(items):
            yield pool.submit(work, place, work.noted(place, item))
    except Exception as error:  # noqa: BLE001 - raised when the results before it have been taken
        broken: Future[B] = Future()
        broken.set_exception(error)
        yield broken


class _Work(Generic[A, B]):
    """The function of one map, which waits for room, and the bytes of what waits for its consumer."""

    def __init__(self, function: Callable[[A], B], held: Held[A, B]) -> None:
        self._function, self._held = function, held
        self._next, self._stopped = 0, False
        self._bytes: dict[int, int] = {}

    def has_room(self) -> bool:
        return self._held.budget.has_room()

    def noted(self, place: int, item: A) -> A:
        self._hold(place, self._held.item(item))
        return item

    def __call__(self, place: int, item: A) -> B:
        self._held.budget.wait(lambda: self._stopped or place <= self._next)
        if self._stopped:
            raise CancelledError
        result = self._function(item)
        self._hold(place, self._held.result(result))
        return result

    def taken(self, future: Future[B]) -> B:
        result, place = future.result(), self._next
        self._next += 1  # before others are told that something has changed
        self._hold(place, 0)
        return result

    def stop(self) -> None:
        self._stopped = True
        self._held.budget.add(0)

    def forget(self) -> None:
        for place in list(self._bytes):
            self._hold(place, 0)

    def _hold(self, place: int, count: int) -> None:
        before = self._bytes.pop(place, 0)
        if count:
            self._bytes[place] = count
        self._held.budget.add(count - before)
