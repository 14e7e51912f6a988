"""What changed data may be said to mean for the scores, and what not."""

import itertools
import re

import pytest

from dicebeam.components.gate import drift_messages
from dicebeam.components.gate.drift_messages import Between
from tests.support import verdicts

DRIFT, STEADY, UNCLEAR = (verdicts.moved(each) for each in ("DRIFTED", "PASS", "INVALID"))
WORSE, FINE, LOW = (verdicts.check(each) for each in ("REGRESSED", "PASS", "OUT_OF_BOUNDS"))


def between(same_model, same_libraries=True, compared=True, partly=False):
    return Between(same_model, same_libraries, compared, partly)


SAID = [
    # the data moved: whose doing it is follows from the model's files alone
    ([DRIFT], [WORSE], between(True), r"^the data changed, not the model: both runs have the same .* from the data$"),
    ([DRIFT, STEADY], [FINE], between(True), r"^the data changed, not the model: both runs have the same model files"),
    ([DRIFT], [WORSE], between(True, False), r"from the data, unless it does from elsewhere: the versions of the lib"),
    ([DRIFT], [WORSE], between(False), r"^the data changed, and so did the model: the scores do not tell .*, does$"),
    ([DRIFT], [WORSE], between(True, compared=False), r"^the data changed, not the model; .* are not compared$"),
    ([DRIFT], [WORSE], between(False, compared=False), r"^the data changed, and so did the model; .* not compared$"),
    ([DRIFT], [WORSE], between(True, partly=True), r"of all data, the scores of the common samples alone$"),
    ([DRIFT], [WORSE], between(False, partly=True), r"does; the statistics are of all data"),
    # the data did not
    (
        [STEADY],
        [WORSE, FINE],
        between(False),
        r"^the model changed, and no statistic .*, as far as these statistics see$",
    ),
    ([STEADY], [WORSE], between(True), r"^the model is the same and no .* yet something regressed: look at the images"),
    ([STEADY], [WORSE], between(True, False), r"yet something regressed: the versions of the libraries differ$"),
]


@pytest.mark.parametrize(("drift", "checks", "runs", "said"), SAID)
def test_what_it_means(drift, checks, runs, said):
    found = drift_messages.says(drift, checks, runs)
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("drift", "checks"),
    [([], [WORSE]), ([STEADY], [FINE]), ([STEADY], [LOW]), ([UNCLEAR], [WORSE]), ([STEADY, UNCLEAR], [WORSE])],
)
@pytest.mark.parametrize("same", [True, False])
def test_where_nothing_follows_nothing_is_said(drift, checks, same):
    assert drift_messages.says(drift, checks, between(same)) is None


def test_the_model_is_cleared_only_where_it_is_the_same():
    cases = itertools.product([[DRIFT], [STEADY], [DRIFT, UNCLEAR]], [[WORSE], [FINE]], *[[True, False]] * 4)
    for drift, checks, *runs in cases:
        said = drift_messages.says(drift, checks, Between(*runs)) or ""
        assert ("not the model" in said) == (runs[0] and DRIFT in drift)


def test_a_check_that_failed_says_that_the_data_drifted():
    for check in (WORSE, LOW):
        assert drift_messages.beside(check, [DRIFT], between(True)) == "; the data drifted, and the model is the same"
        assert drift_messages.beside(check, [STEADY, DRIFT], between(False)) == "; the data drifted too"
        assert drift_messages.beside(check, [STEADY, UNCLEAR], between(True)) == ""
    assert drift_messages.beside(FINE, [DRIFT], between(True)) == ""
