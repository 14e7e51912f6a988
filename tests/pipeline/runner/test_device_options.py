"""The flags of devices: what they become, what is refused, how they reach workers, and what preflight says of them."""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.runtime import gpus
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import arguments
from dicebeam.pipeline.plans import evaluation_plan, model_settings
from dicebeam.pipeline.preflight import devices
from dicebeam.pipeline.runner import device_options, options
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.devices import DeviceSettings
from dicebeam.schemas.errors import ConfigError
from tests.support import builders
from tests.support.evaluating import evaluate

DATAFLOW = ("--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t")
T4 = "type:nvidia-tesla-t4;count:1;install-nvidia-driver"
ONE_COPY = "--model_copies=1"
PROCESSES = "--direct_running_mode=multi_processing"


def settings(*flags: str) -> DeviceSettings:
    return device_options.settings(options.pipeline_options(flags))


def test_without_flags_every_process_loads_its_own_model_on_what_there_is() -> None:
    assert settings() == DeviceSettings(require_gpu=False, model_copies=None, gpu_memory_mb=None, share="")


@pytest.mark.parametrize("flag", ["--require_gpu", "--require-gpu"])
def test_a_gpu_is_required_in_either_spelling(flag: str) -> None:
    assert settings(flag).require_gpu


def test_numbers() -> None:
    found = settings("--model_copies=2", "--gpu_memory_mb=4096")
    assert (found.model_copies, found.gpu_memory_mb) == (2, 4096)


def test_each_run_shares_under_a_name_of_its_own() -> None:
    first, second = (settings("--model_copies=1").share for _ in range(2))
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert first != second


@pytest.mark.parametrize("flag", ["--model_copies", "--gpu_memory_mb"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "²", "9" * 5000])
def test_what_is_no_number_of_something(flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{flag}: expected a whole number from 1 to [\d,]+, but got '"):
        settings(f"{flag}={value}")


def test_beams_side_knows_the_flags() -> None:
    flags = ["--require_gpu", "--require-gpu", "--model_copies=1", "--gpu_memory_mb=1"]
    assert options.unknown_flags(flags) == []
    assert options.unknown_flags(["--model_copys=1"]) == ["--model_copys (did you mean --model_copies?)"]


def test_the_option_before_the_dashes_is_the_flag_after_them() -> None:
    assert arguments.with_gpu(["--a"], require_gpu=True) == ["--a", "--require_gpu"]
    assert arguments.with_gpu(["--require_gpu"], require_gpu=True) == ["--require_gpu"]
    assert arguments.with_gpu(["--a"], require_gpu=False) == ["--a"]


# an evaluation


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    image = np.zeros((4, 4, 3), np.uint8)
    builders.write_shard(tmp_path / "part", [builders.sample(image, image[..., 0])])
    model = builders.save_model(
        tmp_path / "model", lambda images: {"p": tf.nn.softmax(images[..., :2])}, builders.images_spec()
    )
    checks = [{"metric": "dice_mean", "min": 0.1}]
    named = {"examples": f"{tmp_path}/part", "model": model, "output": f"{tmp_path}/out", "classes": ["bg", "b"]}
    return {**named, "gate": {"checks": checks}, "bootstrap": {"replicates": 0}}


def test_the_scoring_stage_takes_the_settings_to_its_workers(config: dict[str, Any]) -> None:
    made = evaluation_plan.make_plan(Config.model_validate(config), None, ["--require_gpu", "--gpu_memory_mb=7"])
    there = pickle.loads(pickle.dumps(made.graph.score))  # noqa: S301 - our own
    assert there.devices == DeviceSettings(require_gpu=True, gpu_memory_mb=7)


def test_where_it_runs_is_no_part_of_the_fingerprint(config: dict[str, Any]) -> None:
    flags: list[list[str]] = [[], ["--model_copies=1", "--gpu_memory_mb=7"]]
    first, second = (evaluation_plan.make_plan(Config.model_validate(config), "r1", given).run for given in flags)
    assert first == second


@pytest.mark.parametrize(
    ("command", "given"),
    [("evaluate", ["--require-gpu"]), ("evaluate", ["--", "--require_gpu"]), ("nightly", ["--require-gpu"])],
)
def test_a_run_without_the_gpu_that_it_requires_ends_before_anything_is_scored(
    config: dict[str, Any], command: str, given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config))
    with pytest.raises(SystemExit) as exited:
        cli.main([command, str(path), "--run-id", "r1", *given])
    *_, again, error = capsys.readouterr().err.splitlines()
    assert exited.value.code == 2
    assert re.search(r"error: expected a GPU on \S+ \(--require-gpu\), but TensorFlow \S+ sees only CPU:0: ", error)
    assert again.endswith(f"dicebeam {command} {path} --run-id r1 -- --require_gpu")
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_process_with_one_of_the_copies_gives_the_numbers_that_it_always_gives(config: dict[str, Any]) -> None:
    runs = [evaluate({**config, "output": f"{config['output']}{i}"}, "r1", f) for i, f in enumerate(([], [ONE_COPY]))]
    assert runs[0].row["digest"] == runs[1].row["digest"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], DeviceSettings()),
        (["--require_gpu", "--gpu_memory_mb=7"], DeviceSettings(gpu_memory_mb=7)),
        (["--runner=PrismRunner"], DeviceSettings()),
        (["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"], DeviceSettings()),
        (["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL"], "hidden"),
        ([PROCESSES], "hidden"),
        (list(DATAFLOW), "hidden"),
    ],
)
def test_a_transform_is_loaded_by_the_plan_after_its_gpu_is_set_or_hidden(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, flags: list[str], expected: object
) -> None:
    done: list[object] = []

    def agree(*_: object) -> None:
        raise ConfigError("the transform is loaded now")

    monkeypatch.setattr(model_settings, "fingerprint_of_transform", lambda _: "f")
    monkeypatch.setattr(evaluation_plan, "agree", agree)
    monkeypatch.setattr(gpus, "prepare", done.append)
    monkeypatch.setattr(gpus, "hide", lambda _: done.append("hidden"))
    with pytest.raises(ConfigError, match="is loaded now"):
        evaluation_plan.make_plan(Config.model_validate(config), None, flags)
    assert done == [expected]


# preflight


def found(*flags: str) -> list[str]:
    return [str(finding) for finding in devices.findings(flags)]


def test_without_flags_nothing_is_said() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--require_gpu"], r"^problem: expected a GPU on .* sees only CPU:0: .*, --require_gpu; every worker would"),
        (["--require_gpu", PROCESSES], "^problem: expected a GPU on "),
        (["--require_gpu", "--runner=PrismRunner"], "^problem: expected a GPU on "),
        (["--require_gpu", "--runner=FlinkRunner"], "^warning: the workers are not on this machine; .*; look at one"),
        (
            ["--require_gpu", *DATAFLOW],
            "^problem: a GPU is required, and no accelerator is asked for, --require_gpu; add --dataflow_service_opti",
        ),
        (
            ["--require_gpu", *DATAFLOW, f"--dataflow_service_options=worker_accelerator={T4}"],
            rf"^ok: the workers have a GPU \({T4}\), --require_gpu$",
        ),
        (["--require_gpu", *DATAFLOW, f"--resource_hint=accelerator={T4}"], "^ok: the workers have a GPU"),
        (["--model_copies=0"], "^problem: --model_copies: expected a whole number from 1 to 64, but got '0', flags"),
        (["--model_copies=1"], r"^warning: there are no more processes \(1\) than copies, --model_copies; leave"),
        (["--model_copies=2", PROCESSES, "--direct_num_workers=2"], r"^warning: there are no more processes \(2\)"),
        (["--model_copies=1", *DATAFLOW], "^warning: processes in containers of their own do not share a model"),
        (["--gpu_memory_mb=1000"], "^warning: a limit of GPU memory is set, and there is no GPU here, --gpu_memory_mb"),
    ],
)
def test_each_finding(flags: list[str], said: str) -> None:
    (finding,) = found(*flags)
    assert re.search(said, finding), finding


@pytest.mark.parametrize(
    "flags",
    [
        ["--model_copies=1", PROCESSES, "--direct_num_workers=2"],
        ["--model_copies=1", "--runner=FlinkRunner"],
        ["--gpu_memory_mb=1000", "--runner=FlinkRunner"],
    ],
)
def test_flags_that_are_as_they_should_be(flags: list[str]) -> None:
    assert found(*flags) == []


def test_where_there_is_a_gpu_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "count", lambda: 2)
    assert found("--require_gpu", "--gpu_memory_mb=1000") == [
        "ok: TensorFlow sees 2 GPUs on this machine, --require_gpu"
    ]


def test_preflight_itself_uses_no_gpu_that_is_only_the_workers() -> None:
    assert devices.without_requirement(["--require_gpu", "--model_copies=2"]) == DeviceSettings()
    assert devices.without_requirement(["--model_copies=x"]) == DeviceSettings()


@pytest.mark.parametrize("given", [["--require-gpu"], ["--", "--require-gpu"]])
def test_preflight_says_it_too(
    config: dict[str, Any], given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(config))
    with pytest.raises(SystemExit) as exited:
        cli.main(["preflight", str(path), *given])
    said = capsys.readouterr()
    assert exited.value.code == 2
    assert len(re.findall("^problem: expected a GPU on ", said.out, re.M)) == 1
    assert "ok: the model loads and scores the first sample" in said.out
    assert said.err.splitlines()[-1] == "dicebeam: 7 ok, 1 warning, 1 problem"
