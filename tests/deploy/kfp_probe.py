"""Run by the Python that has Kubeflow Pipelines, in a folder of its own: run the pipeline here, print what it says."""

import json
import sys

from kfp import local

sys.path.insert(0, sys.argv[1])
import kubeflow_pipeline

local.init(local.SubprocessRunner(use_venv=False), pipeline_root="root")
try:
    task = kubeflow_pipeline.dicebeam_nightly(config="c.yaml", model="m", output="o")
    ended = str(task.state)
except RuntimeError as error:
    ended = str(error)
print(json.dumps({"ended": ended}))  # noqa: T201 - to the test
