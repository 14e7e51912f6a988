"""Sums of a data set to the rows of its tables."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from ...schemas import datasets
from ...schemas.records import Failure
from ...schemas.slices import ALL
from . import channel_sums
from .dataset_sums import DatasetSums


def channels(sums: DatasetSums) -> pa.Table:
    """`dataset_channels`: a row for each channel that has a pixel."""
    rows = []
    for number, channel in enumerate(sums.channels):
        found = channel_sums.statistics(channel)
        if found is None:
            continue
        rows.append(
            {
                "channel": number, "images": found.images, "pixels": found.pixels, "mean": found.mean,
                "std": found.std, "min": found.low, "max": found.high,
                **dict(zip(channel_sums.QUANTILES, found.quantiles, strict=True)),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=datasets.CHANNELS)


def classes(sums: DatasetSums, names: Sequence[str]) -> pa.Table:
    """`dataset_classes`: a row for each class, whether it occurs or not."""
    whole = (sums.slices or {})[ALL]
    counted = whole.pixels - whole.ignored_pixels
    rows: list[dict[str, Any]] = [
        {
            "class_id": class_id, "class_name": name, "pixels": pixels, "samples": samples,
            "pixel_fraction": pixels / counted if counted else None,
            "sample_fraction": samples / whole.n_samples if whole.n_samples else None,
        }
        for class_id, (name, (pixels, samples)) in enumerate(zip(names, sums.classes.tolist(), strict=True))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=datasets.CLASSES)


def slices(sums: DatasetSums) -> pa.Table:
    """`dataset_slices`: `all` first, then by name."""
    ordered = sorted((sums.slices or {}).items(), key=lambda item: (item[0] != ALL, item[0]))
    rows = [
        {"slice": name, "n_samples": s.n_samples, "pixels": s.pixels, "ignored_pixels": s.ignored_pixels}
        for name, s in ordered
    ]
    return pa.Table.from_pylist(rows, schema=datasets.SLICES)


def sizes(sums: DatasetSums) -> pa.Table:
    """`dataset_sizes`: the most frequent size first."""
    ordered = sorted((sums.sizes or {}).items(), key=lambda item: (-item[1], item[0][0] or 0, item[0][1:]))
    rows = [
        {"depth": depth, "height": height, "width": width, "channels": count, "n_samples": n}
        for (depth, height, width, count), n in ordered
    ]
    return pa.Table.from_pylist(rows, schema=datasets.SIZES)


def failures(found: Iterable[Failure]) -> pa.Table:
    """`dataset_failures`: by shard and record."""
    ordered = sorted(found, key=lambda failure: (failure.lineage.shard, failure.lineage.record))
    rows = [
        {
            "shard": f.lineage.shard, "record": f.lineage.record, "byte_offset": f.lineage.byte_offset,
            "sample_id": f.sample_id, "stage": f.stage, "error": f.error, "message": f.message,
        }
        for f in ordered
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=datasets.FAILURES)
