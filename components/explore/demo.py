"""A small data set, two models and a config: something real to try every command on, made in seconds."""

import glob
import json
import re
from pathlib import Path

from ...schemas.errors import ConfigError
from . import demo_data, demo_models

_PLAIN = re.compile(r"[\w./*-]+")

CONFIG = """\
# Evaluate with:  dicebeam evaluate {folder}/config.yaml
# The second, worse model:  dicebeam evaluate {folder}/config.yaml --set model={folder}/models/v2
examples: {examples}  # glob or list of globs; local, gs:// or s3://; .gz by name
model: {model}             # SavedModel folder
output: {output}              # the Parquet tables go here
classes: [background, car, person, bicycle]  # a class's place in the list is its id in the masks
features: deeplab                     # which tf.Example features hold image and mask: deeplab, tfds, or a mapping
output_kind: softmax                  # softmax, sigmoid, softmax_logits, sigmoid_logits or class_ids
slices:                               # tf.Example features to break the results down by
  - site
  - [site, scanner]                   # each scanner of each site
  - {{feature: age, edges: [40, 60]}}   # a number, in bins
cluster: patient                      # images of one patient are not independent; intervals take that into account
gate:                                 # what dicebeam gate and dicebeam nightly hold a run to
  baseline: previous                  # the last run of another model; or blessed, or a run id
  min_samples: 20                     # fewer patients decide nothing
  checks:
    - {{metric: dice_mean, class: foreground, max_drop: 0.02}}
    - {{metric: dice_mean, class: "*", slice: "site=*", max_drop: 0.1, too_few: skip}}
    - {{metric: missed_rate, class: "*", max_rise: 0.05}}
    - {{metric: dice_mean, class: foreground, min: 0.8}}
"""


def make(folder: str, samples: int) -> str:
    """Write the demo into a new or empty folder; returns the path of the config.

    Raises:
        ConfigError: if the folder has something in it.
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        msg = f"expected a new or empty folder for the demo, but {folder!r} has something in it"
        raise ConfigError(msg)
    (root / "data").mkdir(parents=True)
    demo_data.write_shards(root / "data", samples)
    demo_models.save_models(root / "models")
    config = root / "config.yaml"
    config.write_text(CONFIG.format(folder=folder.rstrip("/"), **_quoted(folder.rstrip("/"))), encoding="utf-8")
    return str(config)


def _quoted(folder: str) -> dict[str, str]:
    """The paths as YAML: quoted only where a folder's name would mean something else."""
    paths = {
        "examples": f"{glob.escape(folder)}/data/*.tfrecord",
        "model": f"{folder}/models/v1",
        "output": f"{folder}/reports",
    }
    return {key: path if _PLAIN.fullmatch(path) else json.dumps(path) for key, path in paths.items()}
