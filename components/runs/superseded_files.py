"""What an interrupted attempt leaves beside the files that count."""

from ..storage import filesystems
from . import run_files, shard_ranges
from .run_files import Place


def find(run: Place) -> list[str]:
    """Paths of sample files, and of failures files, whose units another file holds already.

    The failures of a unit are in the file that is named as the one with its samples: it counts alone. A unit that has
    failures and no samples was not committed; it is left over if its shard has been cut in another way since.
    """
    samples = run_files.list_samples(run)
    paths = list(samples.leftovers)
    shards = {_shard(name) for name in samples.holders} - {None}
    for file in filesystems.below(run.folder("failures"), "*.parquet"):
        name = file.path.rpartition("/")[2]
        replaced = samples.holders.get(name, name) != name
        cut_anew = name not in samples.holders and _shard(name) in shards
        if replaced or cut_anew or (run_files.is_compacted(name) and name not in samples.files):
            paths.append(file.path)
    return paths


def _shard(name: str) -> str | None:
    found = shard_ranges.of_name(name)
    return found and found[0]


def delete(run: Place) -> None:
    """Delete them; the `runs` row must be hidden, because readers see rows twice until it is done."""
    for path in find(run):
        filesystems.delete(path)
