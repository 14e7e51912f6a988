"""What a release installs: one import name, in a project that has folders named as dicebeam's own are.

`make dist` sets DICEBEAM_DIST to the folder of the sdist and the wheel that it built; without it they are built here.
"""

import importlib.metadata
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.paths import ROOT

ROOMS = ("components", "pipeline", "schemas")
VERSION = importlib.metadata.version("dicebeam")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel."""
    if folder := os.environ.get("DICEBEAM_DIST"):
        return next(Path(folder).glob("*.tar.gz")), next(Path(folder).glob("*.whl"))
    made = tmp_path_factory.mktemp("release")
    source = wheels.copy_sources(made / "source")
    return wheels.build_sdist(source, made / "dist"), wheels.build_wheel(source, made / "dist")


@pytest.fixture(scope="module")
def wheel(release: tuple[Path, Path]) -> Path:
    return release[1]


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel."""
    return wheels.fresh_environment(tmp_path_factory.mktemp("fresh") / "venv", wheel)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as a TFX template lays it out: importing one of its packages by mistake is an error."""
    folder = tmp_path_factory.mktemp("project")
    for room in ROOMS:
        (folder / room).mkdir()
        (folder / room / "__init__.py").write_text(f"raise RuntimeError('the {room} of the project')\n")
    return folder


def in_project(project: Path, *command: str) -> str:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return wheels.run(list(command), project, {"PYTHONPATH": ".", **quiet})


def test_the_wheel_has_one_name_and_only_the_package(wheel: Path) -> None:
    names = wheels.files(wheel)
    info = f"dicebeam-{VERSION}.dist-info"
    assert wheel.name == f"dicebeam-{VERSION}-py3-none-any.whl"
    assert {name.partition("/")[0] for name in names} == {"dicebeam", info}
    assert names[f"{info}/top_level.txt"].split() == [b"dicebeam"]
    inside = {name.removeprefix("dicebeam/").partition("/")[0] for name in names if name.startswith("dicebeam/")}
    assert inside == {"__init__.py", "__main__.py", "py.typed", *ROOMS}


def test_the_wheel_has_every_file_of_the_rooms(wheel: Path) -> None:
    there = {str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()}
    expected = {f"dicebeam/{name}" for name in there if "__pycache__" not in name}
    assert {name for name in wheels.files(wheel) if name.split("/")[1] in ROOMS} == expected


def test_the_sdist_builds_the_same_wheel(release: tuple[Path, Path], tmp_path: Path) -> None:
    sdist, wheel = release
    again = wheels.files(wheels.build_wheel(sdist, tmp_path))
    expected = wheels.files(wheel)
    assert set(again) == set(expected)
    assert [name for name in again if name.startswith("dicebeam/") and again[name] != expected[name]] == []


@pytest.mark.parametrize("way", wheels.SDIST)
def test_an_sdist_has_no_tests_and_the_changelog(way: str, tmp_path: Path) -> None:
    sdist = wheels.build_sdist(wheels.copy_sources(tmp_path / "source"), tmp_path / "dist", way)
    assert_has_the_package_alone(sdist)


def test_the_sdist_of_the_checkout_has_no_more(release: tuple[Path, Path]) -> None:
    assert_has_the_package_alone(release[0])


def assert_has_the_package_alone(sdist: Path) -> None:
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2].partition("/")[0] for name in opened.getnames()}
    assert names - {"", "PKG-INFO", "setup.cfg", "dicebeam.egg-info"} == set(wheels.SOURCES)


def test_the_package_that_is_imported_is_the_wheels(fresh: Path, project: Path) -> None:
    code = "from dicebeam import dice, losses, metrics; import dicebeam; print(dicebeam.__version__)"
    files = "; print(*(module.__file__ for module in (dicebeam, dice, losses, metrics)), sep='\\n')"
    version, *paths = in_project(project, str(fresh / "python"), "-c", code + files).splitlines()
    assert version == VERSION
    assert len(paths) == 4
    for path in paths:
        assert Path(path).is_relative_to(fresh.parent)


def test_its_requirements_are_met_by_what_the_tests_run_with(fresh: Path) -> None:
    """So that the bounds and the versions that are tested cannot part."""
    code = (
        "import importlib.metadata as m; from packaging.requirements import Requirement as R\n"
        "rs = [R(r) for r in m.requires('dicebeam')]\n"
        "print(*(r for r in rs if not r.marker and m.version(r.name) not in r.specifier))"
    )
    assert wheels.run([str(fresh / "python"), "-c", code]).split() == []


@pytest.mark.parametrize("command", [["dicebeam"], ["python", "-m", "dicebeam"]], ids=" ".join)
def test_the_command_line_starts_beside_other_rooms(command: list[str], fresh: Path, project: Path) -> None:
    script, *arguments = command
    assert in_project(project, str(fresh / script), *arguments, "--version") == f"dicebeam {VERSION}\n"


@pytest.mark.long
def test_worker_processes_evaluate_the_demo_beside_other_rooms(fresh: Path, project: Path) -> None:
    dicebeam = str(fresh / "dicebeam")
    in_project(project, dicebeam, "demo", "demo", "--samples", "20")
    flags = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    in_project(project, dicebeam, "evaluate", "demo/config.yaml", "--", *flags)
    sql = "SELECT status, scored FROM runs"
    (row,) = json.loads(in_project(project, dicebeam, "query", "demo/reports", sql, "--format", "json"))
    assert row == {"status": "done", "scored": 20}


def test_python_is_one_that_the_classifiers_name() -> None:
    classifiers = importlib.metadata.metadata("dicebeam").get_all("Classifier") or []
    assert f"Programming Language :: Python :: {sys.version_info.major}.{sys.version_info.minor}" in classifiers
