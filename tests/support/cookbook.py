"""What each query of docs/guide/sql.md must give, computed by pandas from the frames behind the tables."""

import numpy as np
import pandas as pd

from tests.support.history import SUMS

ANSWERS = {}


def answers(heading):
    """Register the pandas computation of the query under a heading."""

    def registered(function):
        assert heading not in ANSWERS
        ANSWERS[heading] = function
        return function

    return registered


def finished(h, table):
    return h[table][h[table].run_id.isin(h["runs"].run_id)]


def latest(h, table="runs"):
    """Rows of the run that finished last."""
    run_id = h["runs"].sort_values("finished").run_id.iloc[-1]
    return h[table][h[table].run_id == run_id]


def before(h):
    """The id of the run of the same config before the latest."""
    runs = h["runs"].sort_values("finished")
    return runs[runs.config_fingerprint == runs.config_fingerprint.iloc[-1]].run_id.iloc[-2]


def of_run(h, table, run_id):
    return h[table][h[table].run_id == run_id]


def pairs(h, run_id, baseline):
    """Two runs' samples side by side, by shard and record: the truth about who is who."""
    keys = ["shard", "record", "class_name"]
    a, b = of_run(h, "samples", run_id), of_run(h, "samples", baseline)
    both = a.merge(b, on=keys, suffixes=("", "_b"))
    return both.assign(change=both.dice - both.dice_b)


def history_of(h):
    runs = h["runs"][["run_id", "finished", "config_fingerprint"]]
    rows = h["classes"].merge(runs, on="run_id").sort_values("finished")
    change = rows.groupby(["config_fingerprint", "slice", "class_name"]).dice_mean.diff()
    return rows.assign(change=change)


@answers("How did last night's run go?")
def last_night(h):
    row = latest(h).assign(previous=before(h))
    return row[["run_id", "eval_date", "status", "records", "scored", "failed", "previous"]]


@answers("How good is each class?")
def each_class(h):
    rows = latest(h, "samples").groupby(["class_id", "class_name"]).dice
    intervals = latest(h, "classes").query("slice == 'all'").set_index("class_name")
    found = pd.DataFrame({"n": rows.count(), "mean": rows.mean()}).reset_index().set_index("class_name")
    found = found.assign(low=intervals.dice_mean_low, high=intervals.dice_mean_high, p05=intervals.dice_p05)
    counts = latest(h, "samples").groupby("class_name")[SUMS[:3]].sum()
    tp, errors = counts.true_positives, counts.false_positives + counts.false_negatives
    return found.assign(pooled=2 * tp / (2 * tp + errors)).drop(columns="class_id").reset_index()


@answers("Which images are the worst?")
def worst(h):
    rows = latest(h, "samples").dropna(subset="dice").sort_values(["class_id", "dice", "sample_id", "shard", "record"])
    rows = rows.assign(place=rows.groupby("class_id").cumcount() + 1).query("place <= 3")
    return rows[["class_name", "place", "sample_id", "site", "state", "dice", "shard", "record"]]


@answers("Which images are the worst of another run?")
def worst_of_another(h):
    rows = of_run(h, "samples", "night-25").query("class_name == 'car'").dropna(subset="dice")
    return rows.sort_values(["dice", "sample_id", "record"])[["sample_id", "class_name", "state", "dice"]].head(10)


@answers("Which slices are bad, and which got worse?")
def slices(h):
    now = latest(h, "slices").merge(of_run(h, "slices", before(h)), on="slice", suffixes=("", "_b"))
    now = now.assign(change=now.dice_mean - now.dice_mean_b).sort_values("dice_mean")
    now = now.assign(low=range(1, len(now) + 1), drop=now.change.rank().astype(int))
    return now[["slice", "n_samples", "dice_mean", "dice_mean_b", "change", "low", "drop"]]


@answers("Are large objects scored better than small ones?")
def sizes(h):
    rows = latest(h, "samples").query("state in ['present', 'missed'] and class_name != 'background'")
    rows = rows.assign(size=rows.true_positives + rows.false_negatives).sort_values(["size", "sample_id", "record"])
    parts = []
    for name, of_class in rows.groupby("class_name"):
        for quarter, part in enumerate(np.array_split(np.arange(len(of_class)), 4), 1):
            chosen = of_class.iloc[part]
            parts.append((name, quarter, chosen["size"].min(), chosen["size"].max(), chosen.dice.mean()))
    return pd.DataFrame(parts)


@answers("What is the distribution of Dice?")
def distribution(h):
    rows = latest(h, "samples").dropna(subset="dice")
    tenth = np.minimum((rows.dice * 50).astype(int) // 5, 9)
    counts = rows.groupby(["class_name", tenth.rename("tenth")]).size().rename("n").reset_index()
    return counts.assign(low=counts.tenth / 10, high=(counts.tenth + 1) / 10)[
        ["class_name", "tenth", "low", "high", "n"]
    ]


@answers("What would other metrics and another empty-mask rule say?")
def other_rules(h):
    groups = latest(h, "samples").groupby(["class_id", "class_name"])
    c = groups[SUMS].sum()
    tp, fp, fn = c.true_positives, c.false_positives, c.false_negatives
    found = pd.DataFrame({"iou": tp / (tp + fp + fn), "precision": tp / (tp + fp), "recall": tp / (tp + fn)})
    true_negatives = c.pixels - c.ignored_pixels - tp - fp - fn
    found = found.assign(specificity=true_negatives / (true_negatives + fp), size_ratio=(tp + fp) / (tp + fn))
    rules = {f"as_{rule}": groups.dice.apply(lambda dice, rule=rule: dice.fillna(rule).mean()) for rule in (1, 0)}
    return found.assign(left_out=groups.dice.mean(), **rules).reset_index().drop(columns="class_id")


@answers("Which images got worse since the run before?")
def got_worse(h):
    rows = pairs(h, latest(h).run_id.iloc[0], before(h)).query("change < 0")
    rows = rows.sort_values(["change", "sample_id", "class_name"])
    return rows[["sample_id", "class_name", "site", "dice_b", "dice", "change"]].head(10)


@answers("How do two runs of my choice differ?")
def two_runs(h):
    change = pairs(h, "night-25", "night-15").groupby("class_name").change
    found = pd.DataFrame({"pairs": change.size(), "mean": change.mean()})
    worse, better = change.apply(lambda c: (c < -0.01).sum()), change.apply(lambda c: (c > 0.01).sum())
    return found.assign(worse=worse, better=better).reset_index()


@answers("Which classes appeared or disappeared?")
def states(h):
    rows = pairs(h, "night-25", "night-15").query("state != state_b")
    return rows.groupby(["class_name", "state_b", "state"]).size().reset_index()


@answers("Is the difference more than chance?")
def chance(h):
    a, b = (of_run(h, "replicates", run_id).query("slice == 'all'") for run_id in ("night-25", "night-15"))
    parts = []
    for name, class_id in (("background", 0), ("car", 1), ("person", 2), ("foreground", None)):
        first, second = (part[part.class_name == name].sort_values("replicate").dice_mean.to_numpy() for part in (a, b))
        parts.append((class_id, name, len(first), *np.percentile(first - second, [2.5, 97.5])))
    return pd.DataFrame(parts).astype({0: object})


@answers("What has only one of two runs scored?")
def only_one(h):
    rows = h["samples"].query("run_id in ['night-27', 'night-28'] and class_id == 0")
    rows = rows.drop_duplicates(["sample_id", "shard", "record"], keep=False)
    return rows[["sample_id", "shard", "record", "run_id"]].sort_values("sample_id")


@answers("How has a class done over the nights?")
def over_the_nights(h):
    rows = history_of(h).query("slice == 'all' and class_name == 'car'").sort_values("finished", ascending=False)
    return rows[["eval_date", "run_id", "dice_mean", "dice_mean_low", "dice_mean_high", "change"]].head(14)


@answers("On which nights did a class fall most?")
def falls(h):
    rows = history_of(h).query("class_name != 'background'").dropna(subset="change")
    rows = rows.sort_values(["change", "run_id", "slice", "class_name"]).head(5)
    return rows[["eval_date", "run_id", "slice", "class_name", "change"]]


@answers("What is the trend behind the noise?")
def trend(h):
    rows = history_of(h).query("slice == 'all' and class_name == 'person'")
    rows = rows[rows.config_fingerprint == latest(h).config_fingerprint.iloc[0]]
    return rows.assign(mean=rows.dice_mean.rolling(7, min_periods=1).mean())[["eval_date", "dice_mean", "mean"]]


@answers("How far are two sites apart, night by night?")
def sites(h):
    rows = h["slices"].pivot_table(index=["eval_date", "run_id"], columns="slice", values="dice_mean").reset_index()
    rows = rows.sort_values(["eval_date", "run_id"])
    return rows.assign(gap=rows["site=north"] - rows["site=south"]).drop(columns="all")


@answers("Which images are bad night after night?")
def always_bad(h):
    rows = finished(h, "samples").dropna(subset="dice").query("class_name != 'background'")
    rows = rows.sort_values(["dice", "sample_id", "record"]).groupby(["run_id", "class_name"]).head(10)
    found = rows.groupby(["sample_id", "class_name"]).size().rename("n").reset_index()
    return found.sort_values(["n", "sample_id", "class_name"], ascending=[False, True, True]).head(10)


@answers("Do the data drift, slowly?")
def drifts(h):
    rows = h["verdicts"][h["verdicts"].metric.isin(["channel_mean", "class_samples"])].sort_values("decided")
    by = rows.groupby(["metric", "class_name", "channel"], dropna=False)
    found = by.agg(then=("value", "first"), now=("value", "last"), most=("difference", lambda d: d.abs().max()))
    found = found.reset_index().sort_values(["metric", "class_name", "channel"])
    found.insert(5, "change", found.now - found.then)
    return found


@answers("Which images does the model's change touch most?")
def spread(h):
    rows = finished(h, "samples").query("class_name == 'car'")
    rows = rows[~rows.duplicated(["run_id", "sample_id"], keep=False)].groupby(["sample_id", "class_name"]).dice
    found = (rows.quantile(0.9) - rows.quantile(0.1))[rows.count() >= 3].rename("spread").reset_index()
    return found.sort_values(["spread", "sample_id"], ascending=[False, True]).head(10)


@answers("What failed, and why?")
def failed(h):
    rows = h["failures"].sort_values("run_id")
    first = rows.shard + "#" + rows.record.astype(int).astype(str)
    return rows.assign(records=1, first=first)[["run_id", "stage", "error", "message", "records", "first"]]


@answers("Which samples share an id?")
def shared(h):
    rows = finished(h, "samples").query("class_id == 0")
    rows = rows[rows.duplicated(["run_id", "sample_id"], keep=False)].sort_values(["shard", "record"])
    places = rows.assign(place=rows.shard + "#" + rows.record.astype(str)).groupby(["run_id", "sample_id"]).place
    return places.agg(["size", list]).reset_index()


@answers("Which runs have not finished?")
def unfinished(h):
    rows = h["samples"][~h["samples"].run_id.isin(h["runs"].run_id)]
    return rows.drop_duplicates(["run_id", "shard", "record"]).groupby("run_id").size().reset_index()


@answers("Which runs gave the same samples?")
def same(h):
    found = h["runs"].sort_values("finished").groupby("digest").run_id.agg(list).reset_index()
    return found[found.run_id.str.len() > 1]


@answers("Is it getting slower?")
def slower(h):
    rows = h["runs"].sort_values("finished")
    against = rows.seconds / rows.seconds.rolling(7, min_periods=1).mean().shift()
    return rows.assign(against=against)[["run_id", "scored", "seconds", "samples_per_second", "against"]]


@answers("Which nights did not pass the gate, and why?")
def not_passed(h):
    rows = h["verdicts"]
    bad = rows[(rows.run_verdict != "PASS") & (rows.verdict != "PASS")].sort_values(["eval_date", "class_id"])
    return bad[["eval_date", "run_id", "run_verdict", "metric", "class_name", "slice", "verdict", "difference"]]
