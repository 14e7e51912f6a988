"""docs/operating/engines-gpu.md names tests, files and flags that are there, and the message that is printed."""

import re

from dicebeam.components.runtime import gpus
from dicebeam.pipeline.runner import options
from dicebeam.pipeline.runner.device_options import DeviceOptions
from tests.support.paths import ROOT

PATH = ROOT / "docs" / "operating" / "engines-gpu.md"
TEXT = PATH.read_text(encoding="utf-8")


def test_every_test_and_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", TEXT))
    linked = set(re.findall(r"\]\(([^)#]+)\)", TEXT))
    modules = {name.replace(".", "/") + ".py" for name in re.findall(r"python -m (benchmarks\.\w+)", TEXT)}
    assert len(named) > 5
    assert len(modules) == 2
    assert not [name for name in named | modules if not (ROOT / name).exists()]
    assert not [name for name in linked if not (PATH.parent / name).exists()]


def test_the_table_has_every_flag_of_ours_and_no_other() -> None:
    rows = re.findall(r"^\| `(--\w+)(?:=N)?` \| [^|`]+ \|", TEXT, re.MULTILINE)
    assert sorted(name.removeprefix("--") for name in rows) == sorted(
        options.pipeline_options([]).view_as(DeviceOptions).get_all_options(current_only=True)
    )


def test_every_flag_in_the_text_is_known() -> None:
    named = set(re.findall(r"`(--[a-z]\w+)", TEXT)) - {"--model"}  # the benchmark's own
    assert len(named) >= 5
    assert options.unknown_flags(sorted(named)) == []


def test_the_message_is_the_one_that_is_printed() -> None:
    (shown,) = re.findall(r"error: (expected a GPU .*?), \.\.\.", TEXT, re.DOTALL)
    begin, end = re.sub(r"\s+", " ", shown).split(" it is built with CUDA, and there is")
    assert re.sub(r"HOST|2\.21\.0", "", begin)[:14] in gpus.missing()
    assert "it is built with CUDA, and there is" + end in gpus.reason(built_with_cuda=True, visible=None, driver=False)
