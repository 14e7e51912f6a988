"""The soak at a small size: killed once, and every record accounted for; what it finds, it says."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import soak
from tests.support.rewriting import rewrite

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def soaked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak") / "new"
    attempts = soak.soak(folder, records=400, shards=8, kills=1)
    data = soak.make_data(folder / "again", 400, 8)
    bad = frozenset((shard.replace("/again/", "/data/"), record) for shard, record in data.bad)
    return folder / "out", soak.Data(data.examples, data.records, bad), attempts


def test_a_run_that_was_killed_ends_with_exact_accounting(soaked):
    output, data, attempts = soaked
    assert [attempt.killed for attempt in attempts] == [True, False]
    assert len(data.bad) > 2
    assert soak.check(output, data) == {"samples": 5 * (400 - len(data.bad)), "failures": len(data.bad), "runs": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: soak.Data(data.examples, 401, data.bad), r"records: expected \(401, 401\), but got \(400, 400\)"),
        (lambda data: soak.Data(data.examples, 400, data.bad | {("x", 1)}), "failures, each once: expected"),
        (lambda data: soak.Data(data.examples, 400, frozenset([*data.bad][1:])), "failures, each once: expected"),
    ],
)
def test_what_does_not_add_up_is_said(soaked, change, message):
    output, data, _ = soaked
    with pytest.raises(AssertionError, match=message):
        soak.check(output, change(data))


def test_a_row_too_many_is_said(soaked):
    output, data, _ = soaked
    path = next(output.glob("samples/*/*/*.parquet"))
    stored, rows = path.read_bytes(), pq.ParquetFile(path).read()
    rewrite(path, pa.concat_tables([rows, rows.slice(0, 1)]))
    try:
        with pytest.raises(AssertionError, match="rows of a sample"):
            soak.check(output, data)
    finally:
        path.write_bytes(stored)
