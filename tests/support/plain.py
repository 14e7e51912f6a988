"""CamVid and hippocampus evaluated in a plain loop, without Beam and the rooms; and its counts against others.

The truth beside the records was computed once, on one machine. Another CPU or GPU has other kernels for a convolution,
and moves a model's probabilities by some 1e-7: where the two highest are that close, a pixel may get the other class.
So counts are held twice: bit for bit against a loop over the same model on this machine, and against the truth but for
near ties.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

NEAR = 1e-5
"""Classes whose probability is that close to the highest may win elsewhere; kernels were seen to differ by 1.5e-6."""

MOVED_IN_A_MILLION = 1
"""So many pixels of a million may have another class than in the truth, wherever they are."""

NEAR_IN_A_MILLION = 100
"""More near ties than these, and the model is none to hold counts against."""

KEY = ["sample_id", "class_id"]
COUNTS = ["tp", "pred_pixels", "true_pixels", "valid_pixels"]
SLACK = ["tp_slack", "pred_slack"]
Array = npt.NDArray[Any]


class Model(NamedTuple):
    """A SavedModel and how it is called."""

    path: Path
    kind: str = "image"
    signature: str = "serving_default"
    output: str | None = None
    logits: bool = False
    batch: int = 16


class Predicted(NamedTuple):
    """One image: true and predicted class of each pixel, and the pixels `[N]` that may go to other classes `[N, C]`."""

    sample_id: str
    mask: Array
    ids: Array
    near: Array
    close: Array


@cache
def predict(model: Model, shards: tuple[Path, ...]) -> list[Predicted]:
    """Shard by shard, in batches that never cross one; kept, as several tests ask for the same."""
    function = tf.saved_model.load(str(model.path)).signatures[model.signature]
    (name,) = function.structured_input_signature[1]
    found = []
    for shard in shards:
        records = [record.numpy() for record in tf.data.TFRecordDataset([str(shard)])]
        for start in range(0, len(records), model.batch):
            batch = records[start : start + model.batch]
            features = [tf.train.Example.FromString(record).features.feature for record in batch]
            outputs = function(**{name: _given(model.kind, batch, features)})
            output = outputs[model.output] if model.output else next(iter(outputs.values()))
            found += _read(features, (tf.nn.softmax(output) if model.logits else output).numpy())
    return found


def _given(kind: str, records: list[bytes], features: list[Any]) -> tf.Tensor:
    if kind == "example":
        return tf.constant(records)
    encoded = [feature["image/encoded"].bytes_list.value[0] for feature in features]
    if kind == "encoded":
        return tf.constant(encoded)
    return tf.constant(
        np.stack([tf.io.decode_png(png).numpy() for png in encoded]).astype(np.float32) / np.float32(255)
    )


def _read(features: list[Any], outputs: Array) -> Iterator[Predicted]:
    for feature, output in zip(features, outputs, strict=True):
        png = feature["image/segmentation/class/encoded"].bytes_list.value[0]
        mask = tf.io.decode_png(png).numpy().ravel()
        planes = np.ascontiguousarray(output.reshape(mask.size, -1).T)
        if np.issubdtype(output.dtype, np.integer):
            ids, close = planes[0].astype(np.uint8), np.zeros((1, mask.size), bool)
        else:
            ids, close = planes.argmax(0).astype(np.uint8), planes >= planes.max(0) - np.float32(NEAR)
        near = np.flatnonzero(close.sum(0) > 1)
        sample_id = feature["image/filename"].bytes_list.value[0].decode()
        yield Predicted(sample_id, mask, ids, near, close[:, near].T)


def counts(predicted: list[Predicted], n_classes: int, ignored: int | None = None) -> pd.DataFrame:
    """A row for each sample and class: the counts, and by how many each may be off where near ties go elsewhere."""
    rows = {each.sample_id: _count(each, n_classes, ignored) for each in predicted}
    assert len(rows) == len(predicted)
    index = pd.MultiIndex.from_product([rows, range(n_classes)], names=KEY)
    return pd.DataFrame(np.concatenate(list(rows.values()), 1).T, index, [*COUNTS, *SLACK]).sort_index()


def _count(each: Predicted, n_classes: int, ignored: int | None) -> Array:
    def of(ids: Array, where: Array) -> Array:
        return np.bincount(ids[where], minlength=256)[:n_classes]

    valid = each.mask != ignored if ignored is not None else np.ones(each.mask.size, bool)
    free = valid[each.near]
    mask, close = each.mask[each.near][free], each.close[free]
    tp, pred, true = of(each.mask, valid & (each.mask == each.ids)), of(each.ids, valid), of(each.mask, valid)
    slack = np.zeros((2, n_classes), np.int64)
    if len(mask):
        slack[:] = [(close & (mask[:, np.newaxis] == np.arange(n_classes))).sum(0), close.sum(0)]
    return np.stack([tp, pred, true, np.full(n_classes, valid.sum()), *slack])


def of_table(samples: pd.DataFrame) -> pd.DataFrame:
    """The counts of a `samples` table, in the words of the truth."""
    rows = samples.set_index(KEY).sort_index()
    return pd.DataFrame(
        {
            "tp": rows.true_positives,
            "pred_pixels": rows.true_positives + rows.false_positives,
            "true_pixels": rows.true_positives + rows.false_negatives,
            "valid_pixels": rows.pixels - rows.ignored_pixels,
        }
    )


def of_truth(file: Path) -> pd.DataFrame:
    return pd.read_csv(file).set_index(KEY).sort_index()


def dice(found: pd.DataFrame) -> "pd.Series[float]":
    """NaN where there is neither."""
    pixels = found.pred_pixels + found.true_pixels
    return (2 * found.tp / pixels).where(pixels > 0)


def assert_same(found: pd.DataFrame, here: pd.DataFrame) -> None:
    """Every count of the loop's samples, bit for bit."""
    assert len(here)
    np.testing.assert_array_equal(found.loc[here.index, COUNTS], here[COUNTS])


def moved(found: pd.DataFrame, truth: pd.DataFrame) -> int:
    """Pixels that have another class than in the truth, at least; refuses other samples and other true pixels."""
    assert list(found.index) == list(truth.index)
    np.testing.assert_array_equal(found[["true_pixels", "valid_pixels"]], truth[["true_pixels", "valid_pixels"]])
    tp, pred = ((found[name] - truth[name]).abs().sum() for name in ("tp", "pred_pixels"))
    return int(max(tp, (pred + 1) // 2))


def assert_few_moved(found: pd.DataFrame, truth: pd.DataFrame) -> None:
    n, pixels = moved(found, truth), _pixels(truth)
    assert n <= pixels * MOVED_IN_A_MILLION / 1e6, f"{n} of {pixels} pixels have another class than in the truth"


def assert_moved_at_near_ties(found: pd.DataFrame, truth: pd.DataFrame, here: pd.DataFrame) -> None:
    """As the truth, but for pixels of which the loop on this machine shows that they are near ties of those classes."""
    near = here.pred_slack.sum() / 2
    assert near <= _pixels(here) * NEAR_IN_A_MILLION / 1e6, f"{near} near ties are too many to prove anything"
    assert_few_moved(found, truth)
    for name, slack in (("tp", here.tp_slack), ("pred_pixels", here.pred_slack)):
        off = (found[name] - truth[name]).abs()
        bad = off[off > slack.loc[off.index]]
        assert bad.empty, f"{name} differs from the truth where there is no near tie: {bad.to_dict()}"


def _pixels(found: pd.DataFrame) -> int:
    return int(found.valid_pixels.groupby(level=0).first().sum())
