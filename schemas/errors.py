"""Errors, typed by whose fault they are.

Every message says what was expected, what came, where, and what to do. Nothing but the command line
turns them into exit codes.
"""


class DicebeamError(Exception):
    """Base of every error that dicebeam raises on purpose."""


class ConfigError(DicebeamError):
    """The configuration asks for something that cannot be done; the user fixes the config."""


class SampleError(DicebeamError):
    """One record cannot be scored. It becomes a row of the `failures` table; its neighbours are scored."""

    def __init__(self, message: str, *, stage: str = "read") -> None:
        super().__init__(message)
        self.stage = stage

    def __reduce__(self) -> tuple[object, ...]:
        """Keep `stage` when the error crosses processes."""
        return _sample_error, (str(self), self.stage)


def _sample_error(message: str, stage: str) -> SampleError:
    return SampleError(message, stage=stage)


class ModelError(DicebeamError):
    """The SavedModel does not do what the config says; the run ends."""


class FixedBatchError(ModelError):
    """The batch that the signature fixes does not fit in the memory of a device; the same run id resumes."""


class StorageError(DicebeamError):
    """Files cannot be read or written now. Nothing of it is kept: the same command with the run id resumes."""


class WorkerError(DicebeamError):
    """A worker process ended before its work did; the same command with the run id resumes."""


class DeviceError(DicebeamError):
    """A worker has not the GPU that was asked for, or its device fails. It is no record's fault: the run id resumes."""


class TablesError(DicebeamError):
    """Tables that are to be written or read are not as they must be."""


class DamagedError(TablesError):
    """A file of the tables is not as it was written, or is that of another run; the message says how to repair it."""


class ClockError(TablesError):
    """What decides an order was written at a time that is still to come: a clock is wrong, and nobody knows which."""


class UnfinishedRunError(TablesError):
    """A run whose shards are not all scored is asked for its tables; evaluating under its run id resumes it."""


class AccountingError(TablesError):
    """A record or shard is unaccounted for: the run is invalid and not marked as done."""
