"""The names under which Keras finds the losses and the metric in a saved model; they outlive any move of a module."""

import zipfile
from pathlib import Path

import keras
import pytest

from dicebeam import losses, metrics

NAMES = {
    "dicebeam>Dice": losses.Dice,
    "dicebeam>Tversky": losses.Tversky,
    "dicebeam>GeneralizedDice": losses.GeneralizedDice,
    "dicebeam>DiceCrossEntropy": losses.DiceCrossEntropy,
    "dicebeam>DiceCoefficient": metrics.DiceCoefficient,
}


@pytest.mark.parametrize("name", NAMES)
def test_the_registered_name_is_the_one_of_saved_models(name: str) -> None:
    assert keras.saving.get_registered_name(NAMES[name]) == name
    assert keras.saving.get_registered_object(name) is NAMES[name]


@pytest.mark.parametrize("loss", [losses.Dice, losses.Tversky, losses.GeneralizedDice, losses.DiceCrossEntropy])
def test_a_model_that_was_saved_when_the_modules_were_named_otherwise_loads(
    loss: type[keras.losses.Loss], tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 1, activation="softmax")])
    model.compile(loss=loss(), metrics=[metrics.DiceCoefficient(3)])
    model.save(tmp_path / "now.keras")
    before = tmp_path / "before.keras"
    with zipfile.ZipFile(tmp_path / "now.keras") as now, zipfile.ZipFile(before, "w") as changed:
        for name in now.namelist():
            text = now.read(name)
            if name == "config.json":
                assert text.count(b'"dicebeam.components.') == 2  # the loss and the metric
                text = text.replace(b'"dicebeam.components.', b'"components.')
            changed.writestr(name, text)
    loaded = keras.saving.load_model(before)
    assert type(loaded.loss) is loss
    (metric,) = loaded.get_compile_config()["metrics"]
    assert type(keras.saving.deserialize_keras_object(metric)) is metrics.DiceCoefficient
    assert loaded.loss.get_config() == loss().get_config()
