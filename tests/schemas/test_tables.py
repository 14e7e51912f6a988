"""The Parquet contract, column by column as docs/reference/tables.md has it."""

from dataclasses import fields

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.schemas import datasets, tables
from dicebeam.schemas.errors import ConfigError
from dicebeam.schemas.verdict import CheckVerdict

COUNT, NUMBER, TEXT, ID = "int64", "double", "string", "int32"
TIME = "timestamp[us, tz=UTC]"


def columns(schema):
    return {field.name: str(field.type) for field in schema}


def spelled(text, kind):
    return dict.fromkeys(text.replace(",", " ").split(), kind)


SAMPLES_TAIL = {
    "class_id": ID, "class_name": TEXT, "state": TEXT,
    **spelled("true_positives false_positives false_negatives pixels ignored_pixels", COUNT),
    **spelled("soft_intersection soft_predicted soft_predicted_sq dice iou precision recall soft_dice", NUMBER),
}  # fmt: skip
SAMPLES_HEAD = {"sample_id": TEXT, "shard": TEXT, "record": COUNT, "byte_offset": COUNT}


def test_samples_has_the_slice_columns_between_lineage_and_class():
    expected = {**SAMPLES_HEAD, "site": TEXT, "meta_sequence": TEXT, **SAMPLES_TAIL}
    found = columns(tables.samples_schema(["site", "meta_sequence"]))
    assert found == expected
    assert list(found) == list(expected)


def test_samples_without_slices():
    assert columns(tables.samples_schema([])) == {**SAMPLES_HEAD, **SAMPLES_TAIL}


METRICS = [
    "dice_mean", "dice_pooled", "iou_mean", "iou_pooled", "precision_pooled", "recall_pooled", "soft_dice_mean",
]  # fmt: skip


def test_classes():
    assert columns(tables.CLASSES) == {
        "slice": TEXT, "class_id": ID, "class_name": TEXT,
        **spelled("n_samples n_present n_missed n_false_alarm n_absent", COUNT),
        **spelled("true_positives false_positives false_negatives pixels ignored_pixels", COUNT),
        **spelled("n_clusters_defined n_clusters_actual n_clusters_not_actual n_clusters_predicted", COUNT),
        **spelled("soft_intersection soft_predicted soft_predicted_sq", NUMBER),
        **spelled("dice_mean dice_std dice_min dice_p05 dice_p25 dice_p50 dice_p75 dice_p95 dice_max", NUMBER),
        **{name: NUMBER for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")},
    }  # fmt: skip
    assert [name for name in tables.CLASSES.names if name.endswith("_low")] == [f"{m}_low" for m in METRICS]


def test_histograms():
    assert columns(tables.HISTOGRAMS) == {
        "slice": TEXT, "class_id": ID, "class_name": TEXT, "bin": ID, "low": NUMBER, "high": NUMBER, "n_samples": COUNT
    }  # fmt: skip


def test_replicates():
    means = "dice_mean iou_mean soft_dice_mean dice_pooled iou_pooled precision_pooled recall_pooled"
    assert columns(tables.REPLICATES) == {
        "slice": TEXT, "class_id": ID, "class_name": TEXT, "replicate": ID, **spelled(means, NUMBER),
        **spelled("missed_rate false_alarm_rate dice_mean_absent_as_1 dice_mean_absent_as_0", NUMBER),
    }  # fmt: skip


def test_replicates_have_every_statistic_that_has_an_interval():
    with_interval = {name.removesuffix("_low") for name in tables.CLASSES.names if name.endswith("_low")}
    assert with_interval <= set(tables.REPLICATES.names)


def test_slices():
    assert columns(tables.SLICES) == {
        "slice": TEXT, "n_samples": COUNT, "n_clusters": COUNT,
        **spelled("dice_mean dice_mean_low dice_mean_high dice_pooled dice_pooled_low dice_pooled_high", NUMBER),
    }  # fmt: skip


def test_every_table_says_what_a_row_is():
    assert tuple(tables.ROWS) == tables.TABLES == ("samples", *tables.FIXED)


def test_blessings():
    assert columns(tables.BLESSINGS) == {
        "sequence": COUNT, **spelled("decision decided_by who reason", TEXT), "time": TIME,
    }  # fmt: skip


def test_failures():
    assert columns(tables.FAILURES) == {
        "shard": TEXT, "record": COUNT, "byte_offset": COUNT, **spelled("sample_id stage error message", TEXT)
    }  # fmt: skip


def test_runs():
    assert columns(tables.RUNS) == {
        **spelled("status config config_fingerprint model model_fingerprint transform transform_fingerprint", TEXT),
        **spelled("shards records scored failed duplicate_ids summary_version", COUNT),
        **spelled("digest data_fingerprint slices_fingerprint versions runner", TEXT),
        "started": TIME, "finished": TIME,
        **spelled("seconds samples_per_second", NUMBER),
    }  # fmt: skip


@pytest.mark.parametrize("schema", tables.FIXED.values(), ids=tables.FIXED)
def test_partition_keys_are_not_repeated_inside_the_files(schema):
    assert not {"eval_date", "run_id"} & set(schema.names)


@pytest.mark.parametrize(
    ("feature", "column"),
    [("site", "site"), ("meta/sequence", "meta_sequence"), ("a.b-c d", "a_b_c_d"), ("Größe", "Gr__e"), ("x_1", "x_1")],
)
def test_slice_column_names(feature, column):
    assert tables.slice_column(feature) == column


@given(st.text(min_size=1))
def test_a_slice_column_is_letters_digits_and_underscores(feature):
    column = tables.slice_column(feature)
    assert len(column) == len(feature)
    assert set(column) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def test_slice_columns_keep_their_order():
    assert tables.slice_columns(["site", "meta/sequence", "age"]) == ["site", "meta_sequence", "age"]


def test_two_features_of_one_column_are_refused():
    with pytest.raises(ConfigError, match=r"the feature 'a\.b' needs the column 'a_b', which the feature 'a/b' alre"):
        tables.slice_columns(["a/b", "a.b"])


def test_columns_that_differ_in_case_only_are_refused():
    with pytest.raises(ConfigError, match="'Site' needs the column 'Site', which the feature 'site' already has"):
        tables.slice_columns(["site", "Site"])


@pytest.mark.parametrize("name", [*SAMPLES_HEAD, *SAMPLES_TAIL, "eval_date", "run_id", "Dice", "class/id"])
def test_a_slice_feature_named_like_a_fixed_column_is_refused(name):
    with pytest.raises(ConfigError, match=r"which the column '[a-z_]+' already has; rename the feature"):
        tables.slice_columns(["site", name])


def test_dataset_tables():
    found = {name: columns(schema) for name, schema in datasets.FIXED.items()}
    quantiles = "min p01 p05 p25 p50 p75 p95 p99 max"
    assert found == {
        "dataset_channels": {
            "channel": ID, **spelled("images pixels", COUNT), **spelled(f"mean std {quantiles}", NUMBER)
        },
        "dataset_classes": {
            "class_id": ID, "class_name": TEXT, **spelled("pixels samples", COUNT),
            **spelled("pixel_fraction sample_fraction", NUMBER),
        },
        "dataset_slices": {"slice": TEXT, **spelled("n_samples pixels ignored_pixels", COUNT)},
        "dataset_sizes": {**spelled("depth height width", COUNT), "channels": ID, "n_samples": COUNT},
        "dataset_failures": columns(tables.FAILURES),
        "datasets": {
            **spelled("status config", TEXT), **spelled("shards records analyzed failed", COUNT),
            **spelled("data_fingerprint transform versions runner", TEXT), "started": TIME, "finished": TIME,
            **spelled("seconds samples_per_second", NUMBER),
        },
    }  # fmt: skip


def test_an_evaluation_and_an_analysis_write_no_table_of_each_other():
    assert not set(tables.OF_A_RUN) & set(tables.OF_A_DATASET)
    assert {*tables.OF_A_RUN, "verdicts", "blessings", *tables.OF_A_DATASET} == set(tables.TABLES)


def test_every_file_says_its_version_and_run():
    schema = tables.with_metadata(pa.schema([("a", pa.int64())]), "r1", {b"more": b"x"})
    assert schema.metadata == {b"dicebeam.schema_version": b"1", b"dicebeam.run_id": b"r1", b"more": b"x"}


@pytest.mark.parametrize("output", ["/reports", "/reports/"])
def test_partition_is_hive_style(output):
    assert tables.partition(output, "runs", "2026-11-23", "r1") == "/reports/runs/eval_date=2026-11-23/run_id=r1"


def test_partition_of_a_bucket():
    assert tables.partition("gs://b/x", "runs", "d", "r").startswith("gs://b/x/runs/")


def test_verdicts():
    found = columns(tables.VERDICTS)
    assert found == {
        **spelled("metric slice class_name limit_name verdict message run_verdict baseline_run_id", TEXT),
        "class_id": ID, "channel": ID, "n_pairs": COUNT, "improved": "bool", "decides": "bool", "decided": TIME,
        **spelled("threshold value baseline difference low high p_value minimum_detectable_drop", NUMBER),
    }  # fmt: skip
    assert {*found} - {"run_verdict", "baseline_run_id", "decided"} == {f.name for f in fields(CheckVerdict)}
