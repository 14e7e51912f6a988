"""Threads that work ahead of a slower consumer, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ordered_map(function: Callable[[A], B], items: Iterable[A], *, threads: int, ahead: int, name: str) -> Iterator[B]:
    """`map`, but the next `ahead` results are computed in threads while the consumer is busy.

    An error of the function or of the items is raised at its place. If the consumer stops early, what has not
    begun is dropped. The threads are called by `name`, so that a stack trace of a process says what they do.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=f"dicebeam-{name}")
    pending: deque[Future[B]] = deque()
    try:
        for future in _futures(pool, function, items):
            pending.append(future)
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _futures(pool: ThreadPoolExecutor, function: Callable[[A], B], items: Iterable[A]) -> Iterator[Future[B]]:
    try:
        for item in items:
            yield pool.submit(function, item)
    except Exception as error:  # noqa: BLE001 - raised when the results before it have been taken
        broken: Future[B] = Future()
        broken.set_exception(error)
        yield broken
