"""Pages made by hand, without tables, models or shards: what the tests of the page and of the browser share."""

from datetime import UTC, datetime, timedelta

import numpy as np

from dicebeam.components.report import outlines, thumbnails
from dicebeam.components.report.gallery import Card
from dicebeam.components.report.gallery_samples import ClassScore, ShownSample
from dicebeam.components.report.report_data import Histogram, ReportData
from dicebeam.components.report.report_lines import ClassLine, Compared, SliceLine
from dicebeam.components.report.trend import Point
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.run_tables import FinishedRun
from dicebeam.schemas.records import Lineage
from tests.support import verdicts

FINISHED = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CLASSES = ("background", "car", "person")
SLICES = ("all", "site=north", "site=south")
DICE = Compared(0.8, 0.75, 0.85, 0.9, 0.88, 0.92, -0.1, -0.13, -0.07)
ATTACKS = (
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "</title></style><script>window.hacked=1</script>",
    "\"'><svg onload=window.hacked=1>",
    "'; window.hacked=1; '",
    "{{ 7*7 }}{% for x in y %}${window.hacked=1}",
    "--><!--<script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "\u2028window.hacked=1\u2029\x00\u202e",
)


def past(run_id="tuesday", order=0, text=None, **more):
    row = {
        "status": "done", "config": '{"classes": ["background"]}', "config_fingerprint": "c1", "model": "models/v2",
        "model_fingerprint": "f2", "shards": 4, "records": 1003, "scored": 1000, "failed": 3, "duplicate_ids": 0,
        "digest": "d", "versions": '{"python": "3.11"}', "runner": "FnApiRunner", "started": FINISHED,
        "finished": FINISHED + timedelta(days=order), "seconds": 60.0, "samples_per_second": 16.6,
        "data_fingerprint": "x",
    }  # fmt: skip
    if text is not None:
        row |= dict.fromkeys(("status", "config", "model", "versions", "runner", "digest", "model_fingerprint"), text)
    return FinishedRun(Run("out", "2026-11-24", run_id, "c1", "f2"), {**row, **more})


def class_line(name, slice_name="all", class_id=1, dice=DICE, **more):
    given = {"n_samples": 100, "n_present": 60, "n_missed": 5, "n_false_alarm": 3, "n_absent": 32}
    given |= {"pooled": 0.82, "precision": 0.8, "recall": 0.84, "median": 0.86, "verdict": "REGRESSED"}
    return ClassLine(slice_name, class_id, name, dice, **{**given, **more})


def score(name, class_id=1, dice=0.2, before=0.9, state="present", state_before="present"):
    return ClassScore(class_id, name, state, dice, 10, 5, 5, before, state_before)


def card(name="scene-1", class_name="car", slices=("all",), text=None, kind="fall", image=True, **more):
    scores = (score(text or class_name), score(text or "person", 2))
    lineage = Lineage(text or "data/val-0.tfrecord", 7, 1234)
    features = ((text or "site", text or "north"), ("empty", None))
    case = ShownSample(kind, text or name, lineage, scores[0], scores, 0.3, 0.8, slices, features, scores[1:])
    if not image:
        return Card(case, notes=(f"The image cannot be shown: {text or 'the shard is not there any more'}.",))
    mask = np.zeros((24, 32), bool)
    mask[4:12, 6:20] = True
    paths = {layer: outlines.outline(np.roll(mask, i)).path for i, layer in enumerate(("truth", "before", "now"))}
    uri = thumbnails.data_uri(np.full((24, 32, 3), 90, np.uint8))
    return Card(case, uri, 32, 24, paths, (text,) if text else (), (0, 0, 16, 12), **more)


def points(count, text=None):
    verdict = ("PASS", "REGRESSED", None, "INCONCLUSIVE", "OUT_OF_BOUNDS", "NO_BASELINE", "INVALID")
    return tuple(
        Point(f"night-{i}", FINISHED + timedelta(days=i), 0.8 + 0.01 * (i % 3), 0.78, 0.84, verdict[i % 7],
              i % 4 != 3, text or "models/v1")
        for i in range(count)
    )  # fmt: skip


def data(text=None, gated=True, **more):
    """A page's data; with a text, it is in every place where text from data can be."""
    names, slices = (text,) * 3 if text else CLASSES, ("all", text, text) if text else SLICES
    checks = [
        verdicts.check(v, class_name=names[i % 3], class_id=i % 3, slice=slices[i % 3])
        for i, v in enumerate(verdicts.ALL)
    ]
    checks.append(verdicts.check("PASS", class_id=None, class_name="foreground"))
    drift = [verdicts.moved("PASS", class_name="car"), verdicts.moved(), verdicts.moved(channel=1, decides=False)]
    moved = {"drift": tuple(drift), "drift_says": "the data changed, not the model"}
    verdict = (
        verdicts.hostile(text) if text else verdicts.verdict(*checks, lost=3, added=4, reasons=("one reason",), **moved)
    )
    lines = [class_line(name, slice_name, i) for slice_name in dict.fromkeys(slices) for i, name in enumerate(names)]
    failure = {"shard": "s", "record": 3, "sample_id": "x", "stage": "decode", "error": "E", "message": "m"}
    given = {
        "past": past(text=text), "baseline": past("monday", -1, text=text) if gated else None,
        "verdict": verdict if gated else None, "foreground": names[1:],
        "headline": verdict.headline,
        "lines": tuple(lines), "n_lines": len(names),
        "slices": tuple(SliceLine(name, 50 + i, DICE, "PASS") for i, name in enumerate(slices)), "n_slices": 3,
        "histograms": tuple(Histogram(name, (0, 3, 5, 9), (1, 1, 4, 9) if gated else None) for name in names),
        "n_histograms": len(names), "trend": points(9, text),
        "failures": (({**failure, **({key: text for key in failure if key != "record"} if text else {})}),),
        "notes": (text,) if text else (), "foreground_says": text and f"foreground: {text}",
    }  # fmt: skip
    return ReportData(**{**given, **more})


def falls(text=None):
    cards = [
        card("scene-1", "car", ("all", "site=north"), text),
        card("scene-2", "person", ("all", "site=south"), text),
    ]
    return [*cards, card("scene-3", "car", ("all", "site=south"), text, image=False)]


def worst(text=None):
    return [card("scene-4", "car", ("all", "site=north"), text, kind="worst")]
