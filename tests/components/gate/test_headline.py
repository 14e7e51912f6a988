"""What a verdict begins with: of what the foreground mean is."""

import pytest

from dicebeam.components.gate import headline
from tests.support.judging import car, foreground, group, measured


@pytest.mark.parametrize(
    ("there", "said"), [((1, 2), None), ((1,), "bus: in no mask of these data, so it has no part")]
)
def test_classes_that_no_mask_has_are_named(there, said):
    classes = (group(1, "car"), group(2, "bus"))
    now = measured(*classes, foreground(*(each for each in classes if each.class_id in there)))
    found = headline.in_no_mask(now, (1, 2))
    assert found is None if said is None else found.startswith(said)


def test_without_a_foreground_nothing_is_said():
    assert headline.in_no_mask(car(), (1,)) is None
