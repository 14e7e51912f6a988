"""Which slice a sample is in, against a pandas groupby."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.statistics import slicing
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.schemas import slices

SITE, AGE = SliceFeature("meta/site", "meta_site"), SliceFeature("age", "age")
AGE_BINS = SliceFeature("age", "age", (40.0, 60.0))


def columns(**values):
    return {name: pa.array(column, pa.string()) for name, column in values.items()}


def sliced(spec, **values):
    """Name of the slice of each sample."""
    n = len(next(iter(values.values())))
    names, codes = slicing.groups(spec, columns(**values), n)
    assert len(set(names)) == len(names) == len(set(codes.tolist()))
    return [names[code] for code in codes]


def test_without_features_every_sample_is_in_all():
    names, codes = slicing.groups((), {}, 3)
    assert (names, codes.tolist()) == (["all"], [0, 0, 0])


def test_values_and_missing_ones():
    found = sliced((SITE,), meta_site=["A", None, "NULL", "A", ""])
    assert found == ["meta/site=A", "meta/site=NULL", "meta/site=%4EULL", "meta/site=A", "meta/site="]


def test_a_cross():
    found = sliced((SITE, AGE), meta_site=["A", "A", None], age=["1", "2", None])
    assert found == ["meta/site=A/age=1", "meta/site=A/age=2", "meta/site=NULL/age=NULL"]


def test_only_slices_with_samples_are_there():
    names, _ = slicing.groups((SITE, AGE), columns(meta_site=["A", "B"], age=["1", "2"]), 2)
    assert sorted(names) == ["meta/site=A/age=1", "meta/site=B/age=2"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("39.999", "[-inf,40)"), ("40", "[40,60)"), ("40.0", "[40,60)"), ("59", "[40,60)"), ("60", "[60,inf)"),
        ("-7", "[-inf,40)"), ("1e300", "[60,inf)"), ("inf", "[60,inf)"), ("-inf", "[-inf,40)"), ("4e1", "[40,60)"),
        ("nan", "NaN"), ("NaN", "NaN"), ("old", "NaN"), ("", "NaN"), ("1,2", "NaN"), (None, None),
    ],
)  # fmt: skip
def test_bins(text, name):
    assert slicing.binned(text, (40.0, 60.0)) == name


def test_several_texts_share_a_bin():
    found = sliced((AGE_BINS,), age=["41", "59", "41.0", "x", None, "nan"])
    assert found == ["age=[40,60)"] * 3 + ["age=NaN", "age=NULL", "age=NaN"]


def test_bins_in_a_cross():
    found = sliced((AGE_BINS, SITE), age=["41", "42", "61"], meta_site=["A", "A", "A"])
    assert found == ["age=[40,60)/meta/site=A"] * 2 + ["age=[60,inf)/meta/site=A"]


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ((0.5,), ["[-inf,0.5)", "[0.5,inf)"]),
        ((-1.0, 0.0, 0.1), ["[-inf,-1)", "[-1,0)", "[0,0.1)", "[0.1,inf)"]),
        ((20260101.0, 20260201.0), ["[-inf,20260101)", "[20260101,20260201)", "[20260201,inf)"]),
        ((1e300,), ["[-inf,1e+300)", "[1e+300,inf)"]),
    ],
)
def test_names_of_bins(edges, names):
    assert [slicing.bin_name(i, edges) for i in range(len(edges) + 1)] == names


CLOSE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(10**7, 10**7 + 9).map(float)


@given(st.lists(CLOSE, min_size=1, max_size=6, unique=True))
def test_every_bin_has_its_own_name(edges):
    edges = sorted({edge + 0.0 for edge in edges})
    assert len({slicing.bin_name(i, edges) for i in range(len(edges) + 1)}) == len(edges) + 1


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=5, unique=True), st.floats(-120, 120))
def test_a_value_is_between_the_limits_that_its_bin_names(edges, value):
    low, high = slicing.binned(repr(value), sorted(edges))[1:-1].split(",")
    assert float(low) <= value < float(high)


TEXTS = st.sampled_from(["A", "B", "NULL", "a/b=c", "", "%", None])
AGES = st.sampled_from(["1", "40", "55.5", "60", "x", "nan", None])


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, AGES), min_size=1, max_size=30))
def test_groups_are_those_of_pandas(samples):
    sites, ages = ([sample[i] for sample in samples] for i in (0, 1))
    found = sliced((SITE, AGE_BINS), meta_site=sites, age=ages)
    number = pd.to_numeric(pd.Series(ages, dtype=object), errors="coerce")
    bins = pd.cut(number, [-np.inf, 40, 60, np.inf], right=False, labels=["[-inf,40)", "[40,60)", "[60,inf)"])
    frame = pd.DataFrame({"site": sites, "bin": bins.astype(object).where(number.notna(), "NaN"), "found": found})
    frame.loc[[age is None for age in ages], "bin"] = None
    for (site, name), group in frame.groupby(["site", "bin"], dropna=False):
        pairs = (("meta/site", None if pd.isna(site) else site), ("age", None if pd.isna(name) else name))
        assert group.found.tolist() == [slices.encode(pairs)] * len(group)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
def test_names_lead_back_to_the_values(samples):
    found = sliced((SITE, AGE), meta_site=[s for s, _ in samples], age=[a for _, a in samples])
    assert [slices.decode(name) for name in found] == [(("meta/site", s), ("age", a)) for s, a in samples]


def test_a_thousand_values_of_four_features_do_not_overflow():
    values = [str(i) for i in range(1000)]
    spec = tuple(SliceFeature(name, name) for name in "abcd")
    names, codes = slicing.groups(spec, columns(**dict.fromkeys("abcd", values)), 1000)
    assert [names[code] for code in codes] == [f"a={v}/b={v}/c={v}/d={v}" for v in values]
