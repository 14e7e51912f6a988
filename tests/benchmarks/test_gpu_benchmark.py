"""The benchmarks of GPUs at a small size on a CPU: they measure, and call nothing a figure of a GPU that is none."""

import re

import pytest

from benchmarks import gpu

SMALL = ["--records=4", "--in-memory=4", "--shards=1", "--size=32", "--width=2", "--rounds=1", "--batches", "2"]


def test_each_batch_size_is_a_line_under_a_heading_that_names_the_cpu(capsys):
    gpu.main(SMALL)
    heading, *table = capsys.readouterr().out.splitlines()
    assert heading.startswith("device: CPU (there is no GPU here: these are NOT figures of a GPU), TensorFlow ")
    assert re.fullmatch(r"\| 2 \| [\d,.]+ \| [\d,.]+ \| [\d,.]+ \| [\d.]+ \|", table[-1])
    assert all(float(rate.replace(",", "")) > 0 for rate in table[-1].strip("| ").split(" | "))


def test_where_a_gpu_is_required_nothing_is_measured_without_one(capsys):
    with pytest.raises(SystemExit, match=r"^benchmarks.gpu: expected a GPU on .* sees only CPU:0"):
        gpu.main([*SMALL, "--require-gpu"])
    assert capsys.readouterr().out == ""


def test_a_gpu_is_named_and_a_cpu_is_never_one():
    assert gpu.heading("NVIDIA L4") == "device: NVIDIA L4"
    assert "NOT" in gpu.heading("CPU")


def test_less_than_one_batch_in_memory_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main([*SMALL, "--batches", "8"])
    assert "at least one whole batch in memory" in capsys.readouterr().err
