"""What a release says of itself: one version everywhere, a dated changelog, and locks within the bounds of setup.py."""

import importlib.metadata
import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.paths import ROOT

VERSION = importlib.metadata.version("dicebeam")
REQUIRED = [Requirement(line) for line in importlib.metadata.requires("dicebeam") or []]
PRODUCT = [required for required in REQUIRED if required.marker is None]
DEV = [required for required in REQUIRED if required.marker and required.marker.evaluate({"extra": "dev"})]


def locked(name: str) -> dict[str, list[Version]]:
    """The versions of each package in a lock file; it may have one for each of several Pythons."""
    found: dict[str, list[Version]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / name).read_text(encoding="utf-8"), re.M):
        found.setdefault(package, []).append(Version(version))
    return found


def test_the_version_that_is_installed_is_that_of_setup_py() -> None:
    """Where it is not, the checkout was installed before its version was raised: `make` installs it again."""
    assert re.findall(r'version="(.*)"', (ROOT / "setup.py").read_text(encoding="utf-8")) == [VERSION]


def test_every_image_is_tagged_with_the_version() -> None:
    texts = {path.name: path for path in (ROOT / "deploy").rglob("*") if path.suffix in {"", ".py", ".sh", ".yaml"}}
    tags = {
        name: set(re.findall(r"/dicebeam:([\w.]+)", path.read_text(encoding="utf-8")))
        for name, path in texts.items()
        if path.is_file()
    }
    tagged = {name: found for name, found in tags.items() if found}
    assert {"Dockerfile", "job.sh", "kubernetes.yaml", "kubeflow_pipeline.py", "kubeflow_pipeline.yaml"} <= set(tagged)
    assert set.union(*tagged.values()) == {VERSION}


def test_the_changelog_has_the_version_with_its_day_after_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} - \d{{4}}-\d\d-\d\d", headings[1])


@pytest.mark.parametrize(
    ("lock", "required"),
    [
        ("requirements.lock", PRODUCT),
        ("requirements-dev.lock", [*PRODUCT, *DEV]),
        ("requirements-lowest.lock", [*PRODUCT, *DEV]),
    ],
    ids=["run", "dev", "lowest"],
)
def test_a_lock_is_within_the_bounds(lock: str, required: list[Requirement]) -> None:
    versions = locked(lock)
    outside = [str(one) for one in required for found in versions[one.name] if found not in one.specifier]
    assert required
    assert not outside


@pytest.mark.parametrize("required", PRODUCT, ids=lambda required: required.name)
def test_the_lowest_version_that_is_allowed_is_the_one_that_is_tested(required: Requirement) -> None:
    (found,) = locked("requirements-lowest.lock")[required.name]
    (lowest,) = [Version(one.version) for one in required.specifier if one.operator in {">=", "=="}]
    assert found == lowest
