"""Config against signature: what they agree on, and one clear error for each way they do not."""

import pytest

from dicebeam.components.model.agreement import Agreement, with_signature
from dicebeam.components.model.signatures import Signature, TensorInfo
from dicebeam.schemas.config.model import InputSettings, ModelSettings
from dicebeam.schemas.errors import ModelError


def info(name, dtype, shape):
    return TensorInfo(name, dtype, shape)


def model(takes=("float32", (None, None, None, 3)), gives=("float32", (None, None, None, 3)), **more):
    """Signatures with one input and one output, and what else is given by name."""
    signature = Signature("serving_default", {"images": info("images", *takes)}, {"probs": info("probs", *gives)})
    return {"serving_default": signature, **more}


def agree(signatures_by_name, n_classes=3, batch_size=16, **more):
    input_settings = InputSettings(**{k: more.pop(k) for k in list(more) if k in InputSettings.model_fields})
    settings = ModelSettings(path="m", input=input_settings, **more)
    return with_signature(signatures_by_name, settings, n_classes, batch_size)


def test_the_usual_case():
    assert agree(model()) == Agreement(
        signature="serving_default", input_name="images", input_dtype="float32", input_shape=(None, None, None, 3),
        output_name="probs", spatial_rank=2, channels=3, size=None, scored=(0, 1, 2), batch=0,
    )  # fmt: skip


def test_a_fixed_size_is_what_images_are_resized_to():
    assert agree(model(takes=("float32", (None, 64, 32, 3)))).size == (64, 32)


def test_a_size_that_is_free_in_one_axis_must_be_said():
    half = model(takes=("float32", (None, 64, None, 3)))
    with pytest.raises(ModelError, match=r"fixes one image axis and leaves one free \(images: float32 \[\?, 64"):
        agree(half)
    assert agree(half, size=(64, 48)).size == (64, 48)


def test_input_size():
    assert agree(model(), size=(64, 32)).size == (64, 32)
    assert agree(model(takes=("float32", (None, 64, None, 3))), size=(64, 32)).size == (64, 32)


@pytest.mark.parametrize("size", [(64,), (64, 32, 3), (32, 64)])
def test_an_input_size_the_signature_does_not_take(size):
    with pytest.raises(
        ModelError, match=r"model m: input\.size is \[.*\], which the signature does not take: images: fl"
    ):
        agree(model(takes=("float32", (None, 64, 32, 3))), size=size)


def test_an_input_size_for_volumes_is_refused():
    volumes = model(takes=("float32", (None, None, None, None, 1)), gives=("float32", (None, None, None, None, 3)))
    with pytest.raises(ModelError, match=r"input\.size resizes images; volumes are taken at their own size"):
        agree(volumes, size=(8, 8, 8))


def test_a_fixed_batch():
    assert agree(model(takes=("float32", (4, None, None, 3))), batch_size=4).batch == 4


def test_a_fixed_batch_of_another_size():
    with pytest.raises(
        ModelError, match=r"takes batches of exactly 4 \(images: float32 \[4, \?, \?, 3\]\); set batch_size: 4"
    ):
        agree(model(takes=("float32", (4, None, None, 3))))


def test_free_channels():
    assert agree(model(takes=("float32", (None, None, None, None)))).channels == 0


def test_volumes():
    found = agree(model(takes=("float32", (None, 8, 8, 8, 1)), gives=("float32", (None, 8, 8, 8, 3))))
    assert (found.spatial_rank, found.size, found.channels) == (3, (8, 8, 8), 1)


@pytest.mark.parametrize("shape", [(None, None, 3), (None,), (None, 2, 2, 2, 2, 1)])
def test_an_input_of_another_rank(shape):
    with pytest.raises(
        ModelError, match=r"expected an input of \[batch, height, width, channels\] or \[batch, depth, h"
    ):
        agree(model(takes=("float32", shape)))


def test_an_input_of_unknown_rank_takes_the_outputs():
    found = agree(model(takes=("float32", None), gives=("float32", (None, 8, 8, 8, 3))))
    assert (found.spatial_rank, found.channels, found.size, found.batch) == (3, 0, None, 0)


def test_an_unknown_signature_lists_what_there_is():
    with pytest.raises(
        ModelError, match=r"input\.signature is 'serve', but the model has: serving_default \(images: fl"
    ):
        agree(model(), signature="serve")


def test_a_model_without_signatures():
    with pytest.raises(ModelError, match=r"input.signature is 'serving_default', but the model has: no signatures"):
        agree({})


def two_of_each():
    inputs = {n: info(n, "float32", (None, None, None, 3)) for n in ("images", "other")}
    outputs = {n: info(n, "float32", (None, None, None, 3)) for n in ("aux", "probs")}
    return {"serving_default": Signature("serving_default", inputs, outputs)}


def test_one_of_several_by_name():
    found = agree(two_of_each(), name="other", output_name="aux")
    assert (found.input_name, found.output_name) == ("other", "aux")


def test_several_inputs_and_no_name():
    with pytest.raises(
        ModelError, match=r"input\.name must say which; the signature 'serving_default' has: images: .*; oth"
    ):
        agree(two_of_each(), output_name="aux")


def test_several_outputs_and_no_name():
    with pytest.raises(
        ModelError, match=r"output_name must say which; the signature 'serving_default' has: aux: .*; probs"
    ):
        agree(two_of_each(), name="images")


@pytest.mark.parametrize(("option", "more"), [("input.name", {"name": "x"}), ("output_name", {"output_name": "x"})])
def test_a_wrong_name_is_an_error_even_where_there_is_one(option, more):
    with pytest.raises(ModelError, match=f"{option} is 'x'; the signature 'serving_default' has: "):
        agree(model(), **more)


STRINGS = ("string", (None,))


@pytest.mark.parametrize("kind", ["encoded", "example"])
def test_string_inputs(kind):
    found = agree(model(takes=STRINGS), kind=kind)
    assert (found.input_dtype, found.size, found.channels, found.input_shape, found.spatial_rank) == (
        "string", None, 0, (None,), 2,
    )  # fmt: skip


def test_string_inputs_with_a_fixed_batch():
    assert agree(model(takes=("string", (8,))), kind="encoded", batch_size=8).batch == 8


def test_a_string_input_for_image_tensors():
    with pytest.raises(
        ModelError, match=r"input\.kind is 'image', but the signature takes images: string \[\?\]; use `encod"
    ):
        agree(model(takes=STRINGS))


@pytest.mark.parametrize("kind", ["encoded", "example"])
def test_a_tensor_input_for_strings(kind):
    with pytest.raises(ModelError, match=f"input.kind is '{kind}', which needs a string input, but .*; use `image`"):
        agree(model(), kind=kind)


@pytest.mark.parametrize("dtype", ["bool", "int64", "complex64", "int8"])
def test_an_input_dtype_no_image_has(dtype):
    with pytest.raises(ModelError, match=f"expected an input of float, uint8, uint16 or int32, .* images: {dtype}"):
        agree(model(takes=(dtype, (None, None, None, 3))))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "uint8", "uint16", "int32"])
def test_input_dtypes(dtype):
    assert agree(model(takes=(dtype, (None, None, None, 3)))).input_dtype == dtype


def test_a_string_input_with_axes():
    with pytest.raises(
        ModelError, match=r"expected a string input of shape \[batch\], but the signature takes images: st"
    ):
        agree(model(takes=("string", (None, 1))), kind="encoded")


# outputs


@pytest.mark.parametrize(("kind", "dtype"), [("class_ids", "float32"), ("softmax", "int64"), ("sigmoid", "int32")])
def test_an_output_dtype_that_is_not_the_kind(kind, dtype):
    with pytest.raises(ModelError, match=f"output_kind is '{kind}', but the output is probs: {dtype}"):
        agree(model(gives=(dtype, (None, None, None, 3))), output_kind=kind)


@pytest.mark.parametrize("shape", [(None, None, None), (None, None, None, 1)])
def test_class_ids_score_every_class(shape):
    assert agree(model(gives=("int64", shape)), output_kind="class_ids").scored == (0, 1, 2)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "softmax_logits", "sigmoid_logits"])
def test_another_number_of_channels(kind):
    with pytest.raises(ModelError, match=r"the config names 3 classes, but the output has 5 channels \(probs: float32"):
        agree(model(gives=("float32", (None, None, None, 5))), output_kind=kind)


@pytest.mark.parametrize("shape", [(None, None, None, 1), (None, None, None)])
def test_one_sigmoid_channel_is_class_1(shape):
    assert agree(model(gives=("float32", shape)), 2, output_kind="sigmoid").scored == (1,)


def test_one_sigmoid_channel_of_three_classes():
    with pytest.raises(
        ModelError, match=r"1 channels \(.*\)\. One sigmoid channel needs two classes, background first"
    ):
        agree(model(gives=("float32", (None, None, None, 1))), 3, output_kind="sigmoid")


def test_one_softmax_channel():
    with pytest.raises(ModelError, match="the config names 2 classes, but the output has 1 channels"):
        agree(model(gives=("float32", (None, None, None, 1))), 2)


@pytest.mark.parametrize("shape", [(None, 3), (None, None, None), (None, 2, 2, 2, 3)])
def test_an_output_of_another_rank(shape):
    with pytest.raises(
        ModelError, match=r"expected an output of \[batch, 2 spatial axes, classes\], but it is probs: fl"
    ):
        agree(model(gives=("float32", shape)))


@pytest.mark.parametrize("shape", [None, (None, None, None, None)])
def test_free_channels_are_taken_for_all_classes_until_they_are_seen(shape):
    assert agree(model(gives=("float32", shape))).scored == (0, 1, 2)
