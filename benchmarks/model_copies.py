"""What a batch costs that is sent to another process's model, and what Beam's own sharing would cost.

    python -m benchmarks.model_copies

A scorer that answers at once stands in for the model, so that what is measured is the way there and back. `ours` is
--model_copies; `Beam` is a MultiProcessShared in a process of its own, what `share_model_across_processes` uses. They
take turns; median and fastest, which says more on a busy machine. The last column is the samples per second that would
go over one connection if the model took no time at all: a model that is much slower loses little by being shared.
"""

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from apache_beam.utils.multi_process_shared import MultiProcessShared

from dicebeam.components.model import model_copies
from dicebeam.components.runtime import process_slots
from dicebeam.schemas.records import Batch, Lineage, Progress, Sample, ScoredBatch
from dicebeam.schemas.shards import Shard


class AtOnce:
    """Scores nothing."""

    def score(self, batch: Batch) -> ScoredBatch:
        """An empty answer."""
        return ScoredBatch(batch.shard, batch.index, (), None, (), batch.progress)


def hold(folder: str, ready: "multiprocessing.synchronize.Event") -> None:
    """A process that has the model."""
    process_slots.claim(Path(folder), 1)
    holder = model_copies._Holder(AtOnce(), Path(folder) / "0.socket")  # type: ignore[arg-type]  # noqa: SLF001
    ready.set()
    while holder:
        time.sleep(60)


def batch_of(count: int, size: int) -> Batch:
    """Decoded images of three channels and their masks, uint8."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(
            Lineage("gs://bucket/shard", i, i),
            f"{i:08d}.png",
            (),
            rng.integers(0, 256, (size, size, 3), np.uint8),
            rng.integers(0, 5, (size, size), np.uint8),
            None,
            (),
        )
        for i in range(count)
    ]
    return Batch(Shard("gs://bucket/shard", 1), 0, tuple(samples), (), Progress(count, 9, 0, done=False))


def milliseconds(scorer: model_copies.Scoring, batch: Batch) -> float:
    """Seconds for one batch, there and back."""
    began = time.perf_counter()
    scorer.score(batch)
    return (time.perf_counter() - began) * 1e3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=25)
    args = parser.parse_args(arguments)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ready = spawn.Event()
        process = spawn.Process(target=hold, args=(folder, ready), daemon=True)
        process.start()
        beam = MultiProcessShared(AtOnce, tag=uuid.uuid4().hex, path=folder, always_proxy=True, spawn_process=True)
        try:
            shared = beam.acquire()
            ready.wait(120)
            ours = model_copies._Asker(Path(folder), "m")  # noqa: SLF001
            print("| pixels | MB a batch | ours, ms | Beam, ms | ours at most, samples/s |\n|--:|--:|--:|--:|--:|")
            for size in args.sizes:
                batch = batch_of(args.batch, size)
                pairs = [(milliseconds(ours, batch), milliseconds(shared, batch)) for _ in range(args.rounds + 2)][2:]
                mine, theirs = (f"{statistics.median(c):.1f} ({min(c):.1f})" for c in zip(*pairs, strict=True))
                megabytes = sum(sample.nbytes for sample in batch.samples) / 1e6
                rate = args.batch / min(pair[0] for pair in pairs) * 1e3
                print(f"| {size} | {megabytes:.1f} | {mine} | {theirs} | {rate:,.0f} |", flush=True)
        finally:
            process.terminate()
            process.join()
            with contextlib.suppress(EOFError):  # it goes away before it has answered
                beam.unsafe_hard_delete()


if __name__ == "__main__":
    main()
