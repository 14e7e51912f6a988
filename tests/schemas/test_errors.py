"""Errors cross processes with their type, message and stage."""

import pickle

import pytest

from dicebeam.schemas import errors

ALL = [errors.ConfigError, errors.SampleError, errors.ModelError, errors.TablesError, errors.AccountingError]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_survives_pickling(kind):
    copy = pickle.loads(pickle.dumps(kind("expected a, but got b")))  # noqa: S301
    assert type(copy) is kind
    assert str(copy) == "expected a, but got b"


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_a_dicebeam_error(kind):
    assert issubclass(kind, errors.DicebeamError)


def test_a_sample_error_keeps_its_stage_when_pickled():
    copy = pickle.loads(pickle.dumps(errors.SampleError("no", stage="mask")))  # noqa: S301
    assert (copy.stage, str(copy)) == ("mask", "no")


def test_the_stage_of_a_sample_error_is_read_by_default():
    assert errors.SampleError("no").stage == "read"


def test_broken_accounting_is_a_report_error():
    assert issubclass(errors.AccountingError, errors.TablesError)
