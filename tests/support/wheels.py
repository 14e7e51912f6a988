"""dicebeam's sdist and wheel, built from a copy of its sources, and a fresh environment that has the wheel."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.paths import ROOT

SOURCES = (
    "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE", "__init__.py", "__main__.py",
    "py.typed", "schemas", "components", "pipeline",
)  # fmt: skip
"""Everything in the checkout that a release is made of."""


def copy_sources(folder: Path, names: Iterable[str] = SOURCES) -> Path:
    """A copy of some files and folders of the checkout: building in the checkout would leave `build/` in it."""
    folder.mkdir(parents=True)
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a folder or an sdist, with this environment's setuptools, so that no index is asked."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)])
    (wheel,) = folder.glob("dicebeam-*.whl")
    return wheel


SDIST = {"setup.py": ["setup.py", "-q", "sdist", "--dist-dir"], "build": ["-m", "build", "--no-isolation", "-so"]}
"""The two ways in which Beam builds what --setup_file names: by the second where `build` is installed."""


def build_sdist(source: Path, folder: Path, way: str = "setup.py") -> Path:
    """The sdist of a folder."""
    run([sys.executable, *SDIST[way], str(folder)], cwd=source)
    (sdist,) = folder.glob("dicebeam-*.tar.gz")
    return sdist


def files(wheel: Path) -> dict[str, bytes]:
    """What each file of a wheel holds, by name."""
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def fresh_environment(folder: Path, wheel: Path) -> Path:
    """The `bin` folder of a new environment with the wheel, which finds its dependencies where this process does.

    A folder that a .pth file names is searched after the environment's own, and the .pth files in it are not read:
    an editable install of dicebeam there stays without effect.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "--no-deps", "--no-index", str(wheel)])
    borrowed = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return folder / "bin"


def run(command: list[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """The standard output of a command that must succeed; it does not see this process's PYTHONPATH."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **(environment or {})}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout
