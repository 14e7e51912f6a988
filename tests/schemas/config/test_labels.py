"""What mask values mean, and which meanings contradict each other."""

import pytest
from pydantic import ValidationError

from dicebeam.schemas.config.labels import LabelSettings


def labels(n=3, **more):
    return LabelSettings(classes=tuple(f"c{i}" for i in range(n)), **more)


def test_two_more_ids_follow_the_classes():
    assert (labels(3).no_class, labels(3).ignored) == (3, 4)


@pytest.mark.parametrize(
    ("n", "dtype"), [(2, "uint8"), (254, "uint8"), (255, "uint16"), (65534, "uint16"), (65535, "int32")]
)
def test_dtype_is_the_smallest_that_holds_every_id(n, dtype):
    assert labels(n).dtype == dtype
    assert n + 1 <= {"uint8": 255, "uint16": 65535, "int32": 2**31 - 1}[dtype]


def test_one_ignore_label_is_a_tuple_of_one():
    assert labels(ignore_label=255).ignore_label == (255,)


def test_several_ignore_labels():
    assert labels(ignore_label=[254, 255]).ignore_label == (254, 255)


@pytest.mark.parametrize("value", [True, False, [True]])
def test_yes_and_no_are_no_ignore_labels(value):
    with pytest.raises(ValidationError, match=r"expected a number, but got (True|False)"):
        labels(ignore_label=value)


def test_one_class_is_too_few():
    with pytest.raises(ValidationError, match="at least 2 items"):
        labels(1)


def test_repeated_class_names_are_named():
    with pytest.raises(ValidationError, match=r"every name must be there once, but \['a', 'b'\] are repeated"):
        LabelSettings(classes=("a", "b", "c", "b", "a"))


@pytest.mark.parametrize("class_id", [-1, 3])
def test_mask_values_map_to_class_ids(class_id):
    with pytest.raises(ValidationError, match=rf"class ids run from 0 to 2, but got {{9: {class_id}}}"):
        labels(mask_values={0: 0, 9: class_id})


def test_mask_values_may_map_to_no_class():
    assert labels(mask_values={0: None, 1: 2}).mask_values == {0: None, 1: 2}


def test_mask_values_and_label_offset_exclude_each_other():
    with pytest.raises(ValidationError, match="mask_values and label_offset both say what a value means"):
        labels(mask_values={0: 0}, label_offset=-1)


def test_a_value_is_either_ignored_or_mapped():
    with pytest.raises(ValidationError, match=r"mask_values and ignore_label both name \[7, 9\]"):
        labels(mask_values={7: 0, 9: 1, 1: 2}, ignore_label=[9, 7, 255])


def test_settings_are_frozen_and_know_no_other_keys():
    with pytest.raises(ValidationError, match="frozen"):
        labels().label_offset = 1
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        labels(ignore_labels=255)
