"""The Keras losses: the functions, weighted, saved, in half precision, compiled, distributed."""

import keras
import numpy as np
import pytest

from dicebeam.components import dice, losses, metrics

RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, 8, 8, 1)).astype(np.float32)
IDS = (IMAGES[..., 0] > 0.5).astype(np.uint8) + (IMAGES[..., 0] > 0.8)

ALL = {
    losses.Dice: {"squared": True, "smooth_denominator": 1.0, "class_weights": [1.0, 2.0, 3.0]},
    losses.DiceCrossEntropy: {
        "dice_weight": 0.3,
        "cross_entropy_weight": 2.0,
        "class_weights": [1.0, 2.0, 3.0],
    },
    losses.GeneralizedDice: {"class_power": 1.0, "smooth": 0.5},
    losses.Tversky: {"alpha": 0.3, "beta": 0.7, "gamma": 0.75, "ignore_labels": [255]},
}
every_loss = pytest.mark.parametrize(("loss", "options"), ALL.items(), ids=[c.__name__ for c in ALL])


def model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((None, None, 1)), keras.layers.Conv2D(4, 3, padding="same", activation="relu")]
    return keras.Sequential([*layers, keras.layers.Conv2D(3, 1, dtype="float32")])


def compiled(loss, **options):
    built = model()
    built.compile("sgd", loss=loss, metrics=[metrics.DiceCoefficient(3)], **options)
    return built


@every_loss
def test_config_round_trip(loss, options):
    made = loss(from_logits="softmax", include_background=False, **options)
    again = keras.losses.deserialize(keras.losses.serialize(made))
    assert type(again) is loss
    assert again.get_config() == made.get_config()
    assert options.items() <= made.get_config().items()


@every_loss
def test_unknown_keyword_is_refused(loss, options):
    with pytest.raises(TypeError, match="typo"):
        loss(typo=1, **options)


@every_loss
def test_equals_the_function_with_sample_weights(loss, options):
    probs = RNG.dirichlet(np.ones(3), IDS.shape).astype(np.float32)
    made = loss(**options, reduction="none")
    each = np.array([made(IDS[b : b + 1], probs[b : b + 1])[0] for b in range(8)])
    weights = np.arange(8.0)
    for shape in ((8,), (8, 1)):
        got = loss(**options)(IDS, probs, sample_weight=weights.reshape(shape))
        np.testing.assert_allclose(got, (each * weights).sum() / 8, rtol=1e-5)


def test_dice_is_the_mean_of_samples_and_classes():
    probs = RNG.dirichlet(np.ones(3), IDS.shape)
    np.testing.assert_allclose(losses.Dice()(IDS, probs), dice.dice_loss(IDS, probs), rtol=1e-6)


def test_fraction_as_an_id_is_refused():
    with pytest.raises(ValueError, match=r"class ids.*got -1"):
        losses.Dice()(np.full([1, 4], 0.5), np.full([1, 4, 3], 1 / 3))


def test_one_channel_without_axis_and_ignored_pixels():
    ids = np.array([[0, 1, 255, 1]], np.uint8)
    made = losses.Dice(from_logits="sigmoid", class_axis=False, ignore_labels=[255])
    logits = np.array([[-2.0, 1.0, 9.0, 0.5]], np.float32)
    expected = dice.dice_loss(ids[:, [0, 1, 3]], logits[:, [0, 1, 3], None], from_logits="sigmoid")
    np.testing.assert_allclose(made(ids, logits), expected, rtol=1e-6)


@every_loss
@pytest.mark.parametrize(("policy", "jit"), [("float32", False), ("mixed_float16", True)])
def test_fit(loss, options, jit, policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        made = compiled(loss(from_logits="softmax", **options), jit_compile=jit)
        history = made.fit(IMAGES, IDS, batch_size=4, verbose=0, sample_weight=np.ones(8)).history
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert np.isfinite(history["loss"][0])


@every_loss
def test_saved_model_evaluates_the_same(loss, options, tmp_path):
    made = compiled(loss(from_logits="softmax", **options))
    made.fit(IMAGES, IDS, verbose=0)
    made.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected = made.evaluate(IMAGES, IDS, verbose=0, return_dict=True)
    assert again.evaluate(IMAGES, IDS, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # of 0 epochs: it has no state to load
def test_saved_model_goes_on_training_as_if_it_had_not_stopped(epochs, tmp_path):
    def fit(one, epochs):
        one.fit(IMAGES, IDS, batch_size=4, epochs=epochs, shuffle=False, verbose=0)

    made = model()
    made.compile(keras.optimizers.Adam(0.01), loss=losses.DiceCrossEntropy(from_logits="softmax"), jit_compile=False)
    fit(made, epochs)
    made.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 2 * epochs
    before = [weights.copy() for weights in made.get_weights()]
    for one in (made, again):
        fit(one, 1)
    for start, expected, got in zip(before, made.get_weights(), again.get_weights(), strict=True):
        assert np.any(start != expected)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
