"""The sums against set arithmetic in NumPy, in tiles and by the sums of the losses."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components import dice
from dicebeam.components.kernels import overlap_tiles
from dicebeam.components.statistics import ratios

SMALL, LARGE = (1, 5, 7), (3, 91, 127)  # less than a tile, and several


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Tiles of a few rows, so that small arrays take several, the last tile overlapping or not."""
    monkeypatch.setattr(overlap_tiles, "_TILE_FLOATS", 32 * overlap_tiles.ROW)
    overlap_tiles._kernel.cache_clear()
    yield
    overlap_tiles._kernel.cache_clear()


def draw(shape, classes, seed=0, no_class=True):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(classes), shape).astype(np.float32)
    return probs, rng.integers(0, classes + no_class, shape)


def sets(probs, ids, valid=None, threshold=None):
    """Python sets of pixel positions, sample by sample and class by class."""
    valid = np.ones(ids.shape, bool) if valid is None else valid
    out = np.zeros((6, *probs.shape[:1], probs.shape[-1]))
    for b in range(probs.shape[0]):
        p, y = probs[b].reshape(-1, probs.shape[-1]).astype(np.float64), ids[b].ravel()
        keep = set(np.flatnonzero(valid[b]).tolist())
        for c in range(probs.shape[-1]):
            hard = p.argmax(-1) == c if threshold is None else p[:, c] > threshold
            predicted, actual = set(np.flatnonzero(hard).tolist()) & keep, set(np.flatnonzero(y == c)) & keep
            soft = p[sorted(keep), c]
            inter = p[sorted(actual), c].sum()
            out[:, b, c] = (
                len(predicted & actual), len(predicted), len(actual), inter, soft.sum(), (soft**2).sum()
            )  # fmt: skip
    return out


def check(sums, expected):
    assert [s.dtype for s in sums] == [tf.int64] * 3 + [tf.float64] * 3
    np.testing.assert_array_equal(np.stack(sums[:3]), expected[:3])
    np.testing.assert_allclose(np.stack(sums[3:]), expected[3:], rtol=2e-6)


@pytest.mark.parametrize("shape", [SMALL, LARGE, (2, 4096), (1, 16, 24, 33)])
@pytest.mark.parametrize("masked", [False, True])
def test_exclusive_against_sets(shape, masked):
    probs, ids = draw(shape, 4)
    valid = np.random.default_rng(1).random(shape) < 0.8 if masked else None
    check(dice.overlap(probs, tf.constant(ids), exclusive=True, valid=valid), sets(probs, ids, valid))


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_thresholded_against_sets(shape):
    probs, ids = draw(shape, 3)
    check(dice.overlap(probs, tf.constant(ids), exclusive=False, threshold=0.3), sets(probs, ids, None, 0.3))


def test_ids_are_tiled_in_one_tile_or_more(monkeypatch):
    rows = []
    tiled = overlap_tiles.tiled_sums
    monkeypatch.setattr(overlap_tiles, "tiled_sums", lambda *a, **k: (rows.append(a[1].shape[0]), tiled(*a, **k))[1])
    for shape in (SMALL, LARGE):
        probs, ids = draw(shape, 4)
        dice.overlap(tf.constant(probs), tf.constant(ids), exclusive=True)
    tile = overlap_tiles.tile_rows(4)
    assert rows[0] < tile < rows[1]
    assert rows[1] % tile


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3), st.integers(0, 70), st.sampled_from([1, 2, 5, 8, 9, 12]), st.booleans(), st.integers(0, 2**31)
)
def test_tiles_are_the_fast_equal_of_the_sums_of_the_losses(batch, side, classes, masked, seed):
    probs, ids = draw((batch, side, 41), classes, seed)
    valid = np.random.default_rng(seed).random(ids.shape) < 0.8 if masked else None
    one_hot = ids[..., None] == np.arange(classes)  # targets that are not tiled
    sums = dice.overlap(probs, tf.constant(one_hot), exclusive=True, valid=valid)
    tiled = dice.overlap(probs, tf.constant(ids), exclusive=True, valid=valid)
    for dense_sum, tiled_sum in zip(sums[:3], tiled[:3], strict=True):
        np.testing.assert_array_equal(dense_sum, tiled_sum)
    for dense_sum, tiled_sum in zip(sums[3:], tiled[3:], strict=True):
        np.testing.assert_allclose(dense_sum, tiled_sum, rtol=1e-6, atol=1e-9)
    if not masked:
        smooth = ratios.SMOOTHING
        loss = dice.dice_loss(one_hot, probs.astype(np.float64), smooth=smooth, reduction="none")
        table = ratios.soft_dice(tiled.soft_intersection, tiled.actual, tiled.soft_predicted, smooth)
        np.testing.assert_allclose(1 - loss, table, rtol=1e-6)


def test_dense_sums_have_a_gradient():
    probs, ids = draw(SMALL, 3)
    probs, one_hot = tf.constant(probs), tf.one_hot(ids, 3)
    with tf.GradientTape() as tape:
        tape.watch(probs)
        total = tf.reduce_sum(dice.overlap(probs, one_hot, exclusive=True).soft_intersection)
    np.testing.assert_array_equal(tape.gradient(total, probs), one_hot)


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int8, tf.uint16, tf.int32, tf.uint32, tf.int64, tf.uint64])
@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_label_types_agree(dtype, shape):
    probs, ids = draw(shape, 4)
    check(dice.overlap(probs, tf.cast(ids, dtype), exclusive=True), sets(probs, ids))


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("foreign", [-1, 255, 2**31 - 1, -(2**31), 2**40, -(2**40), 2**32])
def test_foreign_ids_are_pixels_of_no_class(shape, foreign):
    probs, ids = draw(shape, 3)
    dtype = np.int64 if abs(foreign) >= 2**32 else np.int32
    strange = np.where(ids == 3, foreign, ids).astype(dtype)
    check(dice.overlap(probs, tf.constant(strange), exclusive=True), sets(probs, ids))


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_one_hot_equals_ids(shape):
    probs, ids = draw(shape, 4)
    one_hot = tf.one_hot(ids, 4, on_value=True, off_value=False)
    check(dice.overlap(probs, one_hot, exclusive=True), sets(probs, ids))


@pytest.mark.parametrize("classes", [3, 12])
@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_first_index_wins_a_tie(shape, classes):
    probs = tf.concat([tf.fill([*shape, 1], 0.0), tf.fill([*shape, classes - 1], 0.25)], -1)
    sums = dice.overlap(probs, tf.ones(shape, tf.uint8), exclusive=True)
    pixels = np.prod(shape[1:])
    np.testing.assert_array_equal(sums.predicted, [[0, pixels, *[0] * (classes - 2)]] * shape[0])


def test_threshold_tie_is_no_prediction():
    sums = dice.overlap(tf.fill([1, 2, 1], 0.5), tf.zeros([1, 2], tf.int32), exclusive=False)
    np.testing.assert_array_equal(sums.predicted, [[0]])


def test_nan_outside_valid_does_not_count():
    probs, ids = draw(LARGE, 3)
    valid = np.random.default_rng(2).random(LARGE) < 0.5
    probs[~valid] = np.nan
    check(dice.overlap(probs, tf.constant(ids), exclusive=True, valid=valid), sets(probs, ids, valid))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_is_summed_wider(dtype):
    probs = tf.fill([1, 300, 300, 2], tf.cast(0.25, dtype))
    sums = dice.overlap(probs, tf.zeros([1, 300, 300], tf.uint8), exclusive=True)
    np.testing.assert_array_equal(sums.soft_predicted, [[22500, 22500]])
    np.testing.assert_array_equal(sums.soft_predicted_sq, [[5625, 5625]])


@pytest.mark.parametrize("jit", [False, True])
def test_inside_a_function_of_unknown_shape(jit):
    probs, ids = draw(LARGE, 4)
    signature = [tf.TensorSpec([None, None, None, 4]), tf.TensorSpec([None, None, None], tf.int64)]
    function = tf.function(lambda p, y: dice.overlap(p, y, exclusive=True), input_signature=signature, jit_compile=jit)
    check(function(probs, ids), sets(probs, ids))


def test_no_pixels_and_no_samples():
    for shape in ((2, 0, 5), (0, 5, 5)):
        sums = dice.overlap(tf.zeros([*shape, 3]), tf.zeros(shape, tf.int32), exclusive=True)
        np.testing.assert_array_equal(sums.predicted, np.zeros((shape[0], 3)))


def test_runs_give_the_same_bits():
    probs, ids = draw(LARGE, 4)
    runs = [dice.overlap(probs, tf.constant(ids), exclusive=True) for _ in range(3)]
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(0, 9), st.integers(1, 4), st.integers(0, 2**31))
def test_batch_equals_samples_one_by_one(batch, side, classes, seed):
    probs, ids = draw((batch, side, 3), classes, seed)
    whole = dice.overlap(probs, tf.constant(ids), exclusive=True)
    for b in range(batch):
        one = dice.overlap(probs[b : b + 1], tf.constant(ids[b : b + 1]), exclusive=True)
        for w, o in zip(whole, one, strict=True):
            np.testing.assert_array_equal(w[b : b + 1], o)


def test_threads_share_the_compiled_kernel():
    probs, ids = draw(LARGE, 4)
    expected = sets(probs, ids)
    function = tf.function(lambda p, y: dice.overlap(p, y, exclusive=True))
    with ThreadPoolExecutor(4) as threads:
        for sums in threads.map(lambda _: function(probs, ids), range(24)):
            check(sums, expected)
