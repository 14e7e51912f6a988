"""Runner options: the default runner, what runs in this process, and flags that nobody knows."""

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from dicebeam.pipeline.runner import options


def test_the_default_runner_is_embedded_and_downloads_nothing() -> None:
    made = options.pipeline_options([])
    assert made.view_as(StandardOptions).runner == options.EMBEDDED
    assert options.in_this_process(made)
    assert options.runner_name(made) == "FnApiRunner in_memory x1"


def test_flags_reach_beam_untouched() -> None:
    made = options.pipeline_options(["--runner=FlinkRunner", "--direct_num_workers=3"])
    assert made.view_as(StandardOptions).runner == "FlinkRunner"
    assert made.view_as(DirectOptions).direct_num_workers == 3
    assert options.runner_name(made) == "FlinkRunner"


@pytest.mark.parametrize(
    ("mode", "local"), [("in_memory", True), ("multi_threading", True), ("multi_processing", False)]
)
def test_which_modes_run_in_this_process(mode: str, local: bool) -> None:
    assert options.in_this_process(options.pipeline_options([f"--direct_running_mode={mode}"])) is local


def test_another_runner_does_not_run_in_this_process() -> None:
    assert not options.in_this_process(options.pipeline_options(["--runner=DataflowRunner"]))


def test_an_unknown_flag_names_the_nearest() -> None:
    assert options.unknown_flags(["--runnr=X"]) == ["--runnr (did you mean --runner?)"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=X", "--direct_num_workers", "2"],
        ["--project=p", "--region=r", "--temp_location=gs://b/t", "--no_use_public_ips"],
        ["--flink_master=[local]", "--environment_type=EXTERNAL", "--environment_config=localhost:1"],
        [
            "--dataflow_service_options=worker_accelerator=type:nvidia-l4",
            "--sdk_container_image=i",
            "--setup_file=./setup.py",
        ],
    ],
)
def test_known_flags(flags: list[str]) -> None:
    assert options.unknown_flags(flags) == []


def test_worker_processes_are_told_what_reaches_buckets_and_nothing_else() -> None:
    flags = ["--s3_endpoint_url=http://here", "--project=p", "--direct_num_workers=2", "--save_main_session"]
    made = options.runner(options.pipeline_options(flags))
    assert made is not None
    told = dict(made._provision_info.provision_info.pipeline_options)
    assert told == {"s3_endpoint_url": "http://here", "project": "p"}


def test_other_runners_are_made_by_beam() -> None:
    assert options.runner(options.pipeline_options(["--runner=FlinkRunner"])) is None
