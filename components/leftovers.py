"""What an interrupted compaction leaves beside the files that took its place."""

from components import filesystems, run_files
from components.run_files import Run


def find(run: Run) -> list[str]:
    """Paths of sample files, and of failures files, whose shards a file of several shards holds already.

    The failures of a shard are in the file that is named as the one with its samples: it counts alone.
    """
    samples = run_files.list_samples(run)
    paths = list(samples.leftovers)
    for file in filesystems.below(run.folder("failures"), "*.parquet"):
        name = file.path.rpartition("/")[2]
        replaced = samples.holders.get(name, name) != name
        if replaced or (run_files.is_compacted(name) and name not in samples.files):
            paths.append(file.path)
    return paths


def delete(run: Run) -> None:
    """Delete them; the `runs` row must be hidden, because readers see rows twice until it is done."""
    for path in find(run):
        filesystems.delete(path)
