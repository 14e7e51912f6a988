"""deploy/dataflow: the image's versions, the template's parameters, and the job that the example submits."""

import importlib.metadata
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from apache_beam.internal.gcp import auth

from dicebeam.pipeline.preflight import beam_flags
from dicebeam.pipeline.preflight import dataflow as preflight_dataflow
from dicebeam.pipeline.runner import options
from tests.support import cloud_stand_in, dataflow, wheels
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy" / "dataflow"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
METADATA = json.loads((FOLDER / "metadata.json").read_text(encoding="utf-8"))
PARAMETERS: Mapping[str, dict[str, object]] = {found["name"]: found for found in METADATA["parameters"]}
REMOTE = {"examples": ["gs://bucket/x"], "model": ["gs://bucket/m"], "output": ["gs://bucket/o"]}


def test_the_image_has_the_boot_program_of_the_beam_that_is_locked() -> None:
    beam = importlib.metadata.version("apache-beam")
    assert f"FROM apache/beam_python3.12_sdk:{beam} AS beam" in DOCKERFILE
    assert "COPY --from=beam /opt/apache/beam /opt/apache/beam" in DOCKERFILE
    assert DOCKERFILE.rstrip().endswith('ENTRYPOINT ["/opt/apache/beam/boot"]')


def test_one_python_everywhere_and_one_that_is_supported() -> None:
    assert set(re.findall(r"python(?:_sdk:)?(3\.\d+|3\d\d)", DOCKERFILE)) == {"3.12", "312"}


def test_everything_that_is_copied_is_there() -> None:
    sources = [words.split()[:-1] for words in re.findall(r"^COPY (?!--)(.*)", DOCKERFILE, re.M)]
    missing = [name for names in sources for name in names if not (dataflow.ROOT / name).exists()]
    assert sources
    assert not missing


def test_what_is_copied_builds_the_whole_wheel(tmp_path: Path) -> None:
    lines = re.findall(r"^COPY (.*) /tmp/source/\S*$", DOCKERFILE, re.M)
    copied = wheels.copy_sources(tmp_path / "copied", [name for line in lines for name in line.split()])
    whole = wheels.copy_sources(tmp_path / "whole")
    found, expected = (
        wheels.files(wheels.build_wheel(source, tmp_path / f"{source.name}-wheel")) for source in (copied, whole)
    )
    assert found == expected


def test_every_parameter_has_a_regex_a_label_and_a_help_text() -> None:
    for name, found in PARAMETERS.items():
        assert found["label"], name
        assert found["helpText"], name
        for regex in found["regexes"]:  # type: ignore[attr-defined]
            assert regex.startswith("^")
            assert regex.endswith("$")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("config", "gs://b/my.yaml", "my.yaml"),
        ("run_id", "n20261124", "2026-11-24"),
        ("run_id", "r_1.a-b", "../x"),
        ("model", "gs://b/models/v1", "models/v1"),
        ("examples", "gs://b/val-*.tfrecord", "gs://b/a\ngs://b/c"),
        ("output", "gs://b/reports", "/reports"),
        ("sdk_container_image", dataflow.IMAGE, "europe-docker.pkg.dev/p/dicebeam"),
        ("dataflow_service_options", dataflow.ACCELERATOR, "worker_accelerator=type:nvidia-tesla-t4;count:1"),
        ("experiments", "no_use_multiple_sdk_containers", "a b"),
    ],
)
def test_regexes_take_what_is_meant_and_refuse_what_is_not(name: str, good: str, bad: str) -> None:
    (regex,) = PARAMETERS[name]["regexes"]  # type: ignore[misc]
    assert re.fullmatch(regex, good)
    assert not re.fullmatch(regex, bad)


def test_every_parameter_is_the_launchers_or_beams() -> None:
    launcher = (FOLDER / "launch.py").read_text(encoding="utf-8")
    own = set(re.findall(r'add_argument\("--(\w+)"', launcher))
    assert own <= set(PARAMETERS)
    assert options.unknown_flags([f"--{name}=x" for name in set(PARAMETERS) - own]) == []


def test_the_example_submits_a_job_that_preflight_has_nothing_against(tmp_path: Path) -> None:
    stub = tmp_path / "dicebeam"
    stub.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {shlex.quote(str(tmp_path))}/$1\n")
    stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "RUN_ID": "n_1.A"}
    subprocess.run(["/bin/sh", str(FOLDER / "job.sh")], env=environment, check=True)
    given = {name: (tmp_path / name).read_text().splitlines() for name in ("preflight", "evaluate")}
    assert given["preflight"][:3] == ["preflight", "config.yaml", "--"]
    assert given["evaluate"][:5] == ["evaluate", "config.yaml", "--run-id", "n_1.A", "--"]
    flags = given["evaluate"][5:]
    assert flags == given["preflight"][3:]
    found = [*beam_flags.findings(flags), *preflight_dataflow.findings(flags, REMOTE)]
    assert [str(finding) for finding in found if finding.level != "ok"] == []
    assert "--job_name=dicebeam-n-1-a" in flags


def test_the_launcher_writes_a_template_and_submits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = dataflow.make_settings(tmp_path)
    monkeypatch.setattr(auth._Credentials, "_credentials_init", True)
    with cloud_stand_in.running() as cloud:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{cloud.port}")
        cloud.objects["bucket/my.json"] = json.dumps({**settings, "model": "/elsewhere"}).encode()
        flags = [flag for flag in dataflow.FLAGS if not flag.startswith("--setup_file")]
        own = ["--config=gs://bucket/my.json", f"--model={settings['model']}", "--run_id=n2"]
        where = ["--template_location=gs://bucket/template", f"--dataflow_endpoint=http://localhost:{cloud.port}"]
        monkeypatch.setattr(sys, "argv", ["launch.py", *own, *flags, *where])
        runpy.run_path(str(FOLDER / "launch.py"), run_name="__main__")
        job = json.loads(cloud.objects["bucket/template"])
        assert cloud.jobs == []
        assert cloud.unknown == []
    assert job["environment"]["serviceOptions"] == [dataflow.ACCELERATOR]
    assert capsys.readouterr().err.endswith("dicebeam: run n2: submitted\n")
