"""Thirty nights of made-up tables: two sites, three classes, sixty samples a night; the same on every machine.

Beside the nightly runs there are a trial with another config, a run that was never finished, failed records, and two
samples that share an id.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from dicebeam.components.runs import run_files
from dicebeam.components.samples import sample_rows
from dicebeam.components.statistics import ratios
from dicebeam.schemas import tables
from dicebeam.schemas.records import Lineage, SampleKey, SampleSums

NIGHTS, SAMPLES, SHARDS, REPLICATES = 30, 60, 2, 40
CLASSES = ("background", "car", "person")
FOREGROUND = ("car", "person")
FIRST = date(2026, 11, 1)
METRICS = {
    "dice_mean": "dice", "iou_mean": "iou", "soft_dice_mean": "soft_dice",
    "dice_pooled": "", "iou_pooled": "", "precision_pooled": "", "recall_pooled": "",
}  # fmt: skip
SUMS = [
    "true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels",
    "soft_intersection", "soft_predicted", "soft_predicted_sq",
]  # fmt: skip


@dataclass(frozen=True)
class Night:
    """One run: `order` is the night, `trial` another config, `finished` whether it has more than samples."""

    order: int
    run_id: str
    trial: bool = False
    finished: bool = True

    @property
    def run(self):
        config = "c2" * 32 if self.trial else "c1" * 32
        return run_files.Run("", str(FIRST + timedelta(self.order)), self.run_id, config, f"{self.order:064x}")

    @property
    def ended(self):
        return datetime(2026, 11, 1, 3 + 5 * self.trial, self.order, 0, 123456, tzinfo=UTC) + timedelta(self.order)


def nights(count=NIGHTS):
    regular = [Night(order, f"night-{order:02}") for order in range(count)]
    return [*regular, Night(count // 2, "trial", trial=True), Night(count - 1, "stopped", finished=False)]


def samples_of(night, rng, size):
    """A night's `samples`: sizes are fixed by the sample, quality varies, and site south suffers from night 20 on."""
    fixed = np.random.default_rng(11)
    actual = (fixed.gamma(2.0, 60, (size, 3)) * (fixed.random((size, 3)) > 0.25)).astype(np.int64)
    actual[:, 0] = 4096 - actual[:, 1:].sum(1)
    south = np.arange(size) % 3 == 0
    quality = 0.9 - 0.15 * fixed.random(size) - (0.12 * south if night.order >= 20 else 0) + rng.normal(0, 0.01, size)
    hit = rng.binomial(actual, np.clip(quality, 0, 1)[:, None])
    extra = rng.binomial(40, 0.1, (size, 3)) * (rng.random((size, 3)) > 0.5)
    noise = rng.random((4, size, 3))
    sums = SampleSums(
        true_positives=hit,
        predicted=hit + extra,
        actual=actual,
        soft_intersection=hit * (0.8 + 0.2 * noise[0]),
        soft_predicted=(hit + extra) * (0.7 + 0.3 * noise[1]),
        soft_predicted_sq=(hit + extra) * (0.6 + 0.1 * noise[2]),
        pixels=np.full(size, 4096),
        ignored_pixels=np.full(size, 0),
    )
    places = [Lineage(f"val-{i % SHARDS}.tfrecord", i // SHARDS, 1000 * (i // SHARDS)) for i in range(size)]
    keys = [
        SampleKey(places[i], f"scene-{10 if i == 11 else i:03}", ("south" if south[i] else "north",))
        for i in range(size)
    ]
    return sample_rows.sample_table(keys, sums, range(3), CLASSES, ["site"]).to_pandas()


def pooled(counts):
    """The pooled ratios of summed counts."""
    tp, fp, fn = (counts[name] for name in ("true_positives", "false_positives", "false_negatives"))
    values = {
        "dice": ratios.dice(tp, fp, fn),
        "iou": ratios.iou(tp, fp, fn),
        "precision": ratios.precision(tp, fp),
        "recall": ratios.recall(tp, fn),
    }
    return {f"{name}_pooled": value[()] for name, value in values.items()}


def metrics_of(rows):
    means = {name: rows[column].mean() for name, column in METRICS.items() if column}
    return {**means, **pooled(rows[SUMS[:3]].sum())}


def interval(replicates, name):
    low, high = np.nanpercentile(replicates[name], [2.5, 97.5])
    return {f"{name}_low": low, f"{name}_high": high}


def resampled(rows, rng):
    """Metrics of bootstrap replicates, an array for each: samples drawn with replacement."""
    weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), REPLICATES)
    values = rows[[column for column in METRICS.values() if column]].to_numpy(float)
    means = (weights @ np.nan_to_num(values)) / (weights @ ~np.isnan(values))
    counts = weights @ rows[SUMS[:3]].to_numpy()
    return {**dict(zip(METRICS, means.T, strict=False)), **pooled(dict(zip(SUMS[:3], counts.T, strict=True)))}


def summaries(samples, rng):
    """Rows of `classes`, `slices`, `histograms` and `replicates`."""
    made = {"classes": [], "slices": [], "histograms": [], "replicates": []}
    for name, part in [("all", samples), *((f"site={site}", rows) for site, rows in samples.groupby("site"))]:
        classes = {}
        for class_id, class_name in enumerate(CLASSES):
            rows = part[part.class_id == class_id]
            key = {"slice": name, "class_id": class_id, "class_name": class_name}
            replicates = resampled(rows, rng)
            made["replicates"] += replicate_rows(key, replicates)
            made["classes"].append(
                {**key, **class_row(rows), **{k: v for m in METRICS for k, v in interval(replicates, m).items()}}
            )
            made["histograms"] += [{**key, **row} for row in histogram(rows.dice.dropna())]
            classes[class_name] = (made["classes"][-1], replicates)
        made["slices"].append({"slice": name, **slice_row(part, classes)})
        foreground = {m: np.mean([classes[c][1][m] for c in FOREGROUND], 0) for m in METRICS}
        made["replicates"] += replicate_rows({"slice": name, "class_id": None, "class_name": "foreground"}, foreground)
    return made


def class_row(rows):
    states = {f"n_{state}": int((rows.state == state).sum()) for state in ratios.STATES}
    quantiles = {f"dice_p{q:02}": rows.dice.quantile(q / 100) for q in (5, 25, 50, 75, 95)}
    spread = {"dice_std": rows.dice.std(), "dice_min": rows.dice.min(), "dice_max": rows.dice.max()}
    return {"n_samples": len(rows), **states, **rows[SUMS].sum().to_dict(), **spread, **quantiles, **metrics_of(rows)}


def slice_row(part, classes):
    chosen = [classes[name] for name in FOREGROUND]
    means = np.mean([replicates["dice_mean"] for _, replicates in chosen], 0)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "n_samples": len(part) // 3,
        "dice_mean": np.mean([row["dice_mean"] for row, _ in chosen]),
        "dice_mean_low": low,
        "dice_mean_high": high,
        "dice_pooled": pooled(part[part.class_name.isin(FOREGROUND)][SUMS[:3]].sum())["dice_pooled"],
    }


def replicate_rows(key, replicates):
    return [{**key, "replicate": i, **{m: replicates[m][i] for m in METRICS}} for i in range(REPLICATES)]


def histogram(dice):
    counts, edges = np.histogram(dice, 50, (0, 1))
    for i in range(50):
        yield {"bin": i, "low": edges[i], "high": edges[i + 1], "n_samples": int(counts[i])}


def failure_rows(night, size):
    """Every seventh night the record of one sample cannot be read, on one night that of a shared id."""
    index = 11 if night.order == 14 else 5
    place = {
        "shard": f"val-{index % SHARDS}.tfrecord",
        "record": index // SHARDS,
        "byte_offset": 1000 * (index // SHARDS),
    }
    row = {**place, "stage": "decode", "error": "SampleError", "message": "expected a PNG, but got 'junk'"}
    return [row] if night.order % 7 == 0 and size > 11 else []


def run_row(night, samples, failed):
    n = len(samples) // 3
    return {
        "status": "done",
        "config": '{"classes": ["background", "car", "person"]}',
        "config_fingerprint": night.run.config_fingerprint,
        "model": f"models/{night.run_id}",
        "model_fingerprint": night.run.model_fingerprint,
        "shards": SHARDS,
        "records": n + failed,
        "scored": n,
        "failed": failed,
        "digest": f"{night.order // 2:064x}",
        "data_fingerprint": f"{night.order // 20:032x}",
        "duplicate_ids": int(samples[samples.class_id == 0].sample_id.duplicated(keep=False).sum()),
        "versions": "{}",
        "runner": "FnApiRunner",
        "started": night.ended - timedelta(seconds=60 + night.order),
        "finished": night.ended,
        "seconds": 60.0 + night.order,
        "samples_per_second": n / (60.0 + night.order),
    }


def verdict_rows(night):
    """The gate of the nights looks at two classes; it finds the drop of night 20."""
    found = ["PASS", "REGRESSED" if night.order == 20 else "PASS"]
    same = {"metric": "dice_mean", "slice": "all", "limit_name": "max_drop", "threshold": 0.01, "improved": False}
    after = {"run_verdict": max(found), "baseline_run_id": f"night-{night.order - 1:02}", "decided": night.ended}
    return [
        {**same, "class_id": i + 1, "class_name": name, "verdict": found[i], "difference": -0.001 * i, **after}
        for i, name in enumerate(FOREGROUND)
    ] + drift_rows(night, after)


def drift_rows(night, after):
    """The images get brighter by half a step a night, which no night's own check finds; the classes stay."""
    same = {"slice": "all", "limit_name": "max_change", "threshold": 1.0, "verdict": "PASS", "decides": True, **after}
    images = {"metric": "channel_mean", "value": 100 + 0.5 * night.order, "difference": 0.5}
    masks = {"metric": "class_samples", "class_id": 1, "class_name": FOREGROUND[0], "value": 0.5, "difference": 0.0}
    return [{**same, **images, "channel": channel} for channel in (0, 1)] + [{**same, **masks}]


def dataset_rows(night, samples, failures):
    """The data of the nights are a little brighter from night 20 on; their masks are those of the samples."""
    n, bright = len(samples) // 3, 100.0 + 5 * (night.order >= 20)
    counted = samples.pixels - samples.ignored_pixels
    classes = []
    for class_id, name in enumerate(CLASSES):
        of_class = samples[samples.class_id == class_id]
        actual = of_class.true_positives + of_class.false_negatives
        classes.append({
            "class_id": class_id, "class_name": name, "pixels": int(actual.sum()), "samples": int((actual > 0).sum()),
            "pixel_fraction": actual.sum() / counted[of_class.index].sum(), "sample_fraction": (actual > 0).mean(),
        })  # fmt: skip
    steps = {"min": 0.0, "p01": 2.0, "p05": 9.0, "p25": 60.0, "p50": bright, "p75": 140.0, "p95": 220.0, "p99": 250.0}
    channel = {"images": n, "pixels": 4096 * n, "mean": bright, "std": 50.0, **steps, "max": 255.0}
    keys = ("status", "config", "shards", "records", "failed", "data_fingerprint", "versions", "runner", "started",
            "finished", "seconds", "samples_per_second")  # fmt: skip
    row = run_row(night, samples, len(failures))
    whole = samples[samples.class_id == 0]
    pixels = {"pixels": int(whole.pixels.sum()), "ignored_pixels": int(whole.ignored_pixels.sum())}
    return {
        "dataset_channels": [{"channel": number, **channel} for number in range(3)],
        "dataset_classes": classes,
        "dataset_slices": [{"slice": "all", "n_samples": n, **pixels}],
        "dataset_sizes": [{"depth": None, "height": 64, "width": 64, "channels": 3, "n_samples": n}],
        "dataset_failures": failures,
        "datasets": [{**{key: row[key] for key in keys}, "analyzed": n, "transform": f"transforms/{night.run_id}"}],
    }


def decision_row(night):
    """What the gate has decided on a night that passed; the first one was blessed by hand."""
    by, reason = ("hand", "first night") if night.order == 0 else ("gate", "PASS")
    row = {"sequence": night.order + 1, "decision": "blessed", "decided_by": by, "who": "me@here", "reason": reason}
    return {**row, "time": night.ended}


def make(output, count=NIGHTS, size=SAMPLES):
    """Write every table; returns each as a data frame with its partition keys."""
    found = {name: [] for name in tables.TABLES}
    for night in nights(count):
        rng = np.random.default_rng([night.order, night.trial, night.finished])
        samples = samples_of(night, rng, size)
        failures = failure_rows(night, size)
        for failure in failures:
            samples = samples[~((samples.shard == failure["shard"]) & (samples.record == failure["record"]))]
        rows = {"samples": samples}
        if night.finished:
            rows["verdicts"] = verdict_rows(night)
            rows["blessings"] = [] if night.trial else [decision_row(night)]
            rows |= {**summaries(samples, rng), "failures": failures, "runs": [run_row(night, samples, len(failures))]}
            rows |= dataset_rows(night, samples, failures)
        run = run_files.Run(str(output), night.run.eval_date, night.run_id, "", "")
        for name, of_table in rows.items():
            schema = tables.FIXED.get(name, tables.samples_schema(["site"]))
            frame = pd.DataFrame(of_table, columns=schema.names)
            write(frame, schema, run, name)
            found[name].append(frame.assign(eval_date=date.fromisoformat(run.eval_date), run_id=run.run_id))
    return {name: pd.concat([part for part in parts if len(part)], ignore_index=True) for name, parts in found.items()}


def write(frame, schema, run, name):
    """A table of a run; `samples` has a file for each shard, the others have one."""
    parts = dict(list(frame.groupby("shard"))) if name == "samples" else {"part-0": frame}
    for file, rows in parts.items():
        columns = [pa.array(list(rows[field.name]), field.type, from_pandas=True) for field in schema]
        table = pa.Table.from_arrays(columns, schema=schema)
        run_files.write_table(table, run, name, f"{file}.parquet")
