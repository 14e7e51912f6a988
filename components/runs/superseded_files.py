"""What attempts leave beside the files that count."""

from ..storage import filesystems
from . import run_files, unit_failures
from .run_files import Place


def find(run: Place) -> list[str]:
    """Paths of sample files whose units another file holds already, and of failures files that no sample file names."""
    samples = run_files.list_samples(run)
    return [*samples.leftovers, *unit_failures.look(run, samples).leftovers]


def delete(run: Place) -> None:
    """Delete them; the `runs` row must be hidden, because readers see rows twice until it is done.

    An attempt that has written its failures and not yet its samples writes them again: see `unit_commit`.
    """
    for path in find(run):
        filesystems.delete(path)
