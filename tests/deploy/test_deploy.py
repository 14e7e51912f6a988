"""The files of deploy/, read by what reads them in earnest, and run with a stub in place of dicebeam."""

import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import croniter
import jsonschema
import kubernetes_validate
import pytest
import yaml

from dicebeam.components.runs import run_files
from dicebeam.pipeline.config import config_file
from tests.support.paths import ROOT
from tests.support.stub_command import CODES, Stub, of_a_night

DEPLOY = ROOT / "deploy"
needs_flock = pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here; util-linux has it")
each_code = pytest.mark.parametrize("code", CODES)


def shell(script, stub, folder, *options, **more):
    return subprocess.run(
        [*(options or ("/bin/sh",)), "-c", script], cwd=folder, env={**stub.environment, **more}, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def text_of(name):
    return (DEPLOY / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(filter(Path.is_file, DEPLOY.iterdir())), ids=lambda path: path.name)
def test_every_file_is_in_the_table_and_says_what_it_needs(path):
    if path.name == "README.md":
        return
    text = path.read_text(encoding="utf-8")
    assert f"({path.name})" in text_of("README.md")
    if path.name != "kubeflow_pipeline.yaml":  # made from the file beside it
        assert "To edit:" in text
    if path.name not in ("kubeflow_pipeline.yaml", "nightly.yaml"):
        for words in ("Verdict and report:", "Exit codes:", "Again:"):
            assert words in text


def test_the_config_is_one():
    settings = config_file.load(str(DEPLOY / "nightly.yaml"), ())
    assert settings.gate.baseline == "blessed"
    assert len(settings.gate.checks) == 4


# cron


def cron_line():
    (line,) = [
        line for line in text_of("crontab").splitlines() if line and not re.match(r"#|[A-Z]+=", line)
    ]  # fmt: skip
    return line.split(maxsplit=5)


def cron_command(folder):
    """What cron gives to the shell: without the percent signs' backslashes, and here in a folder of ours."""
    command = cron_line()[5]
    assert "%" not in command.replace(r"\%", "")
    return command.replace(r"\%", "%").replace("/srv/dicebeam", str(folder)).replace(".venv/bin/dicebeam", "dicebeam")


def test_cron_runs_it_once_a_night():
    fields = " ".join(cron_line()[:5])
    assert croniter.croniter.is_valid(fields)
    times = croniter.croniter(fields, start_time=0)
    assert [times.get_next() for _ in range(2)] == [9000.0, 9000.0 + 86400]


def test_crons_command_is_one_for_sh(tmp_path):
    done = subprocess.run(["/bin/sh", "-n", "-c", cron_command(tmp_path)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_flock
@each_code
def test_cron_mails_every_night_but_one_that_passed(tmp_path, code):
    stub = Stub(tmp_path / "bin", code)
    done = shell(cron_command(tmp_path), stub, "/")
    (call,) = stub.calls
    assert of_a_night(call)
    assert stub.folders == [str(tmp_path)]
    assert (tmp_path / "nightly.log").read_text() == "what dicebeam printed\n"
    mail = f"what dicebeam printed\ndicebeam nightly: exit code {code}\n"
    assert (done.stdout, done.stderr) == ("" if code == 0 else mail, "")


@needs_flock
def test_cron_starts_no_second_run(tmp_path):
    stub = Stub(tmp_path / "bin", 0)
    command = f"flock nightly.lock /bin/sh -c '{cron_command(tmp_path)}'"
    assert shell(command, stub, tmp_path).stdout == "dicebeam nightly: exit code 75\n"
    assert stub.calls == []


# GitHub Actions


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(text_of("github-actions.yaml"))


def step(workflow, name):
    return next(step for step in workflow["jobs"]["nightly"]["steps"] if step.get("name") == name)


def github(tmp_path, workflow, code):
    """The variables of a runner, with the files of a run that had the exit code."""
    run = run_files.Run(str(tmp_path / "reports"), "2026-11-24", "n77", "c", "m")
    folder = Path(run.folder("gate"))
    if code != 2:
        folder.mkdir(parents=True)
        for name in ("summary.md", "report.html", "junit.xml", "verdict.json", "BLESSED"):
            (folder / name).write_text(f"this is {name}\n")
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP")
    (tmp_path / "RUNNER_TEMP").mkdir()
    assert workflow["jobs"]["nightly"]["env"]["RUN_ID"] == "n${{ github.run_id }}"
    return {**{name: str(tmp_path / name) for name in names}, "DATA": str(tmp_path), "RUN_ID": "n77", "MODEL": ""}


def test_the_workflow_is_one():
    name = "vendor/github-workflows.json"
    schema = json.loads((resources.files("check_jsonschema") / "builtin_schemas" / name).read_text(encoding="utf-8"))
    workflow = yaml.load(text_of("github-actions.yaml"), Loader=yaml.BaseLoader)  # noqa: S506 - `on` is no boolean
    workflow["jobs"]["nightly"]["timeout-minutes"] = int(workflow["jobs"]["nightly"]["timeout-minutes"])
    workflow["concurrency"]["cancel-in-progress"] = False
    jsonschema.validators.validator_for(schema)(schema).validate(workflow)
    assert croniter.croniter.is_valid(workflow["on"]["schedule"][0]["cron"])


@each_code
def test_github_shows_every_verdict(tmp_path, workflow, code):
    stub, variables = Stub(tmp_path / "bin", code), github(tmp_path, workflow, code)
    bash = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
    done = shell(step(workflow, "Nightly")["run"], stub, "/", *bash, **variables)
    assert done.returncode == code
    (call,) = stub.calls
    assert [*call[:3], *call[4:]] == ["nightly", "nightly.yaml", "--set", "--run-id", "n77"]
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == f"exit_code={code}\n"
    kind = {0: 0, 3: "warning", 4: "warning"}.get(code, "error")
    assert (f"::{kind} title=dicebeam::" in done.stdout) == bool(code)
    assert shell(step(workflow, "Summary")["run"], stub, "/", *bash, **variables).returncode == 0
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert summary.startswith("dicebeam ended without a verdict" if code == 2 else "this is summary.md")
    found = sorted(path.name for path in (tmp_path / "RUNNER_TEMP" / "verdict").iterdir())
    assert found == ([] if code == 2 else ["junit.xml", "report.html", "summary.md", "verdict.json"])


def test_github_takes_a_model_by_hand_as_one_word(tmp_path, workflow):
    stub, variables = Stub(tmp_path / "bin", 0), github(tmp_path, workflow, 0)
    shell(step(workflow, "Nightly")["run"], stub, "/", "bash", "-e", **{**variables, "MODEL": "a b; $(touch x)"})
    assert stub.calls[0][3] == "model=a b; $(touch x)"
    assert not any("inputs." in json.dumps(each.get("run", "")) for each in workflow["jobs"]["nightly"]["steps"])


def test_github_keeps_what_it_has_whatever_happened(workflow):
    assert step(workflow, "Summary")["if"] == step(workflow, "Report")["if"] == "always()"
    assert step(workflow, "Report")["with"]["path"] == "${{ runner.temp }}/verdict"


# Kubernetes


def manifests():
    return {each["kind"]: each for each in yaml.safe_load_all(text_of("kubernetes.yaml"))}


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_kubernetes_knows_every_field(version):
    for manifest in manifests().values():
        assert kubernetes_validate.validate(manifest, version, strict=True).startswith(version)


def test_one_night_at_a_time_at_a_time_of_day():
    spec = manifests()["CronJob"]["spec"]
    assert croniter.croniter.is_valid(spec["schedule"])
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] + 2.5 * 3600 < 24 * 3600  # all tries in one date


def decided(code):
    """What the Job controller does with a pod that ended so: the first rule that fits, else it counts."""
    for rule in manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes and (code in codes["values"]) == (codes["operator"] == "In"):
            return rule["action"]
    return "Count"


@each_code
def test_a_verdict_is_not_tried_again(code):
    if code:
        assert decided(code) == "FailJob"


@pytest.mark.parametrize("code", [129, 130, 137, 143])
def test_a_killed_pod_is_tried_again(code):
    job = manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]
    assert decided(code) == "Count"
    assert job["backoffLimit"] > 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # else a policy is refused


@each_code
def test_the_container_exits_as_dicebeam_does(tmp_path, code):
    stub = Stub(tmp_path / "bin", code)
    (container,) = manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["/bin/sh", "-c"]
    assert not re.search(r"(?<!\$)\$\(", container["args"][0])  # Kubernetes would look for a variable
    assert shell(container["args"][0].replace("$$(", "$("), stub, tmp_path).returncode == code
    assert of_a_night(stub.calls[0], "/config/nightly.yaml")
