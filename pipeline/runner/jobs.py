"""Jobs of engines that this process submits, waits for, and stops when it is stopped itself."""

import sys
from contextlib import suppress
from typing import Any

from ...schemas.errors import WorkerError

_given_up: list[Any] = []


def wait(result: Any) -> Any:  # noqa: ANN401 - Beam's results and states have no types
    """The state a submitted job ends in. Ctrl-C cancels the job: nobody would look for its end.

    Raises:
        WorkerError: if it was interrupted and the engine cannot be told so: the job may still be running there.
    """
    try:
        return result.wait_until_finish()
    except KeyboardInterrupt:
        _given_up.append(result)  # Beam's own job service runs a cancelled job to its end all the same
        _cancel(result)
        raise


def _cancel(result: Any) -> None:  # noqa: ANN401
    try:
        result.cancel()
    except NotImplementedError:  # a runner whose jobs are over when they are handed back
        return
    except Exception as error:
        if "closed channel" in str(error):  # Ctrl-C has stopped the server, and its jobs, before it came here
            return
        msg = f"interrupted, but the job could not be cancelled and may still be running there: {error}"
        raise WorkerError(msg) from error


def left_behind() -> bool:
    """Whether a cancelled job may still run in this process, which must not wait for it."""
    return bool(_given_up)


def stop_servers() -> None:
    """Stop the job servers that Beam started as processes, for a process that ends without its exit handlers."""
    module = sys.modules.get("apache_beam.utils.subprocess_server")
    if module is None:
        return
    cache = module.SubprocessServer._cache  # noqa: SLF001 - Beam keeps no public list of what it started
    for key in list(cache._cache):  # noqa: SLF001
        with suppress(Exception):  # whatever happens to one, the others are stopped
            cache.force_remove(*key)
