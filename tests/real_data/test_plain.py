"""Counts may differ from the truth at near ties alone: what else is off by one pixel is found."""

import numpy as np
import pandas as pd
import pytest

from tests.support import plain
from tests.support.plain import Predicted

MILLION = 1_000_000


def frame(**changed: dict[tuple[str, int], int]) -> pd.DataFrame:
    """Two samples of two million pixels and three classes; one pixel of `a` is a near tie of classes 0 and 1."""
    index = pd.MultiIndex.from_product([["a", "b"], [0, 1, 2]], names=plain.KEY)
    columns = {
        "tp": [900_000, 500_000, 0] * 2,
        "pred_pixels": [MILLION, 600_000, 400_000] * 2,
        "true_pixels": [1_200_000, 800_000, 0] * 2,
        "valid_pixels": [2 * MILLION] * 6,
        "tp_slack": [1, 0, 0, 0, 0, 0],
        "pred_slack": [1, 1, 0, 0, 0, 0],
    }
    found = pd.DataFrame(columns, index)
    for name, cells in changed.items():
        for key, by in cells.items():
            found.loc[key, name] += by
    return found


FLIPPED = frame(tp={("a", 0): -1}, pred_pixels={("a", 0): -1, ("a", 1): 1})


def test_a_near_tie_may_go_to_the_other_class() -> None:
    assert plain.moved(FLIPPED, frame()) == 1
    plain.assert_moved_at_near_ties(FLIPPED, frame(), frame())
    plain.assert_moved_at_near_ties(frame(), frame(), frame())


@pytest.mark.parametrize("name", plain.COUNTS)
@pytest.mark.parametrize("key", list(frame().index))
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_off_by_one_without_a_near_tie_is_found(name: str, key: tuple[str, int], by: int) -> None:
    wrong = frame(**{name: {key: by}})
    with pytest.raises(AssertionError):
        plain.assert_same(wrong, frame())
    if frame().loc[key].get({"tp": "tp_slack", "pred_pixels": "pred_slack"}.get(name, ""), 0) == 0:
        with pytest.raises(AssertionError, match=r"no near tie|not equal"):
            plain.assert_moved_at_near_ties(wrong, frame(), frame())


def test_more_pixels_than_there_are_near_ties_are_found() -> None:
    wrong = frame(pred_pixels={("a", 0): -2, ("a", 1): 2})
    with pytest.raises(AssertionError, match=r"pred_pixels differs .* no near tie: \{\('a', 0\): 2, \('a', 1\): 2\}"):
        plain.assert_moved_at_near_ties(wrong, frame(), frame())


def test_many_near_ties_that_all_moved_are_found() -> None:
    here = frame(pred_slack={("a", 0): 9, ("a", 1): 9})
    wrong = frame(pred_pixels={("a", 0): -5, ("a", 1): 5})
    with pytest.raises(AssertionError, match="5 of 4000000 pixels have another class than in the truth"):
        plain.assert_moved_at_near_ties(wrong, frame(), here)


def test_a_model_that_is_all_near_ties_proves_nothing() -> None:
    here = frame(pred_slack={("a", 0): 900, ("a", 1): 900})
    with pytest.raises(AssertionError, match=r"901\.0 near ties are too many to prove anything"):
        plain.assert_moved_at_near_ties(frame(), frame(), here)


def test_other_samples_are_found() -> None:
    with pytest.raises(AssertionError):
        plain.assert_moved_at_near_ties(frame().drop("a"), frame(), frame())


def test_near_ties_of_five_pixels() -> None:
    """Classes 0 1 1 and two ties, of which one is ignored."""
    probabilities = np.float32([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5000001], [0.5, 0.5]])
    (close,) = [probabilities >= probabilities.max(1, keepdims=True) - np.float32(plain.NEAR)]
    near = np.flatnonzero(close.sum(1) > 1)
    assert near.tolist() == [3, 4]
    each = Predicted("x", np.uint8([0, 1, 0, 0, 11]), probabilities.argmax(1).astype(np.uint8), near, close[near])
    found = plain.counts([each], 2, ignored=11).reset_index(drop=True)
    assert found.to_dict("list") == {
        "tp": [1, 1],
        "pred_pixels": [1, 3],
        "true_pixels": [3, 1],
        "valid_pixels": [4, 4],
        "pred_slack": [1, 1],
        "tp_slack": [1, 0],
    }
