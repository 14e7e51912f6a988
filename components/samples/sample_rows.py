"""Rows of `samples` and `failures` from sums: arrays in, Arrow tables out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import tables
from ...schemas.records import Failure, SampleKey, SampleSums
from ..statistics import ratios


def sample_table(
    keys: Sequence[SampleKey],
    sums: SampleSums,
    class_ids: Sequence[int],
    classes: Sequence[str],
    columns: Sequence[str],
) -> pa.Table:
    """Rows of `samples`: each sample in order, and for each of them each scored class in order.

    Args:
        keys: n samples.
        sums: their sums, `[n, C]`.
        class_ids: the C scored class ids.
        classes: name of every class, by id.
        columns: names of the slice columns, one for each value in a key's `slices`.
    """
    tp, predicted, actual = sums.true_positives, sums.predicted, sums.actual
    fp, fn = predicted - tp, actual - tp
    states = ratios.state_codes(tp, fp, fn)
    absent = states == ratios.STATES.index(ratios.ABSENT)
    soft = np.where(absent, np.nan, ratios.soft_dice(sums.soft_intersection, actual, sums.soft_predicted))
    each_class = np.asarray(class_ids, np.int32)

    def by_sample(values: Sequence[Any] | NDArray[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(keys)), len(each_class))))

    def by_class(values: NDArray[Any]) -> pa.Array:
        return pa.array(values.ravel(), from_pandas=True)

    names = pa.array([classes[i] for i in class_ids], pa.string())
    arrays = {
        "sample_id": by_sample([key.sample_id for key in keys], pa.string()),
        "shard": by_sample([key.lineage.shard for key in keys], pa.string()),
        "record": by_sample([key.lineage.record for key in keys], pa.int64()),
        "byte_offset": by_sample([key.lineage.byte_offset for key in keys], pa.int64()),
        **{name: by_sample([key.slices[i] for key in keys], pa.string()) for i, name in enumerate(columns)},
        "class_id": pa.array(np.tile(each_class, len(keys))),
        "class_name": names.take(pa.array(np.tile(np.arange(len(each_class)), len(keys)))),
        "state": pa.array(ratios.STATES, pa.string()).take(pa.array(states.ravel())),
        "true_positives": by_class(tp),
        "false_positives": by_class(fp),
        "false_negatives": by_class(fn),
        "pixels": by_sample(sums.pixels, pa.int64()),
        "ignored_pixels": by_sample(sums.ignored_pixels, pa.int64()),
        "soft_intersection": by_class(sums.soft_intersection),
        "soft_predicted": by_class(sums.soft_predicted),
        "soft_predicted_sq": by_class(sums.soft_predicted_sq),
        "dice": by_class(ratios.dice(tp, fp, fn)),
        "iou": by_class(ratios.iou(tp, fp, fn)),
        "precision": by_class(ratios.precision(tp, fp)),
        "recall": by_class(ratios.recall(tp, fn)),
        "soft_dice": by_class(soft),
    }
    return pa.table(arrays, schema=tables.samples_schema(columns))


def failure_table(failures: Sequence[Failure]) -> pa.Table:
    """Rows of `failures`, in order."""
    return pa.table(
        {
            "shard": [f.lineage.shard for f in failures],
            "record": [f.lineage.record for f in failures],
            "byte_offset": [f.lineage.byte_offset for f in failures],
            "sample_id": [f.sample_id for f in failures],
            "stage": [f.stage for f in failures],
            "error": [f.error for f in failures],
            "message": [f.message for f in failures],
        },
        schema=tables.FAILURES,
    )
