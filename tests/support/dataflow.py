"""Submit an evaluation with the real DataflowRunner to stand-ins on loopback."""

import importlib.metadata
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.internal.gcp import auth

from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.schemas.config.config import Config
from tests.support import builders, cloud_stand_in
from tests.support.paths import ROOT

IMAGE = f"europe-west4-docker.pkg.dev/a-project/dicebeam/dicebeam:{importlib.metadata.version('dicebeam')}"
ACCELERATOR = "worker_accelerator=type:nvidia-tesla-t4;count:1;install-nvidia-driver"
FLAGS = [
    "--runner=DataflowRunner", "--project=a-project", "--region=europe-west4", "--job_name=night", "--no_auth",
    "--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging", "--setup_file=./setup.py",
    f"--sdk_container_image={IMAGE}", "--sdk_location=container", "--machine_type=n1-standard-8",
    f"--dataflow_service_options={ACCELERATOR}", "--experiments=no_use_multiple_sdk_containers",
    "--resource_hint=min_ram=24GB", "--labels=team=vision", "--labels=tool=dicebeam",
]  # fmt: skip


class Submitted(NamedTuple):
    """The plan of an evaluation, the job that the service was asked for, and what was staged."""

    settings: dict[str, Any]
    plan: Any
    job: dict[str, Any]
    staged: dict[str, bytes]

    @property
    def pipeline(self) -> bytes:
        return self.staged["pipeline.pb"]


def thirds(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


def make_settings(folder: Path) -> dict[str, Any]:
    """A data set with bad records, its model, and a config."""
    rng = np.random.default_rng(3)
    for part in range(3):
        scenes = [(rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 2, (6, 5))) for _ in range(4)]
        records = [builders.sample(*scene, f"{part}-{i}", site="ab"[i % 2]) for i, scene in enumerate(scenes)]
        builders.write_shard(folder / "data" / f"part-{part}", [*records, b"what?"])
    model = builders.save_model(folder / "model", thirds, builders.images_spec())
    base = {"examples": f"{folder}/data/*", "model": model, "output": f"{folder}/out", "classes": ["a", "b"]}
    return {**base, "slices": ["site"], "max_failed_fraction": 0.5, "bootstrap": {"replicates": 20}}


def submit(folder: Path, patch: pytest.MonkeyPatch) -> Submitted:
    """Make a plan, and hand its graph to Dataflow's stand-in."""
    settings = make_settings(folder)
    with cloud_stand_in.running() as cloud:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{cloud.port}")
        patch.setattr(auth._Credentials, "_credentials_init", True)  # looking for some would take half a minute
        patch.chdir(ROOT)
        flags = [*FLAGS, f"--dataflow_endpoint=http://localhost:{cloud.port}"]
        plan = make_plan(Config.model_validate(settings), "n1", flags)
        pipeline = beam.Pipeline(options=plan.options)
        plan.wire(pipeline)
        pipeline.run()
    (job,) = cloud.jobs
    assert cloud.unknown == []
    return Submitted(settings, plan, job, {name.rpartition("/")[2]: data for name, data in cloud.objects.items()})
