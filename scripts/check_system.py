"""Say what this machine lacks for dicebeam, in words; exit 1 if something is missing.

Runs on any Python 3, before anything is installed:  python3 scripts/check_system.py
"""

import os
import shutil
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 13)


def missing():
    """Lines about what is not there, each with what to do."""
    lines = []
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        lines.append(
            "Python %d.%d to %d.%d is needed, but %s is %d.%d: install one and say  make PYTHON=python3.12 ..."
            % (OLDEST + NEWEST + (sys.executable,) + version)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        lines.append("the Python module venv is needed: on Debian and Ubuntu  apt-get install python3-venv")
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "c++", "g++", "clang++")):
        lines.append("a C++ compiler is needed to build tfrecord-lite: on Debian and Ubuntu  apt-get install g++")
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.exists(header):
        lines.append(
            "Python's headers are needed to build tfrecord-lite (no %s): on Debian and Ubuntu  "
            "apt-get install python3-dev" % header
        )
    return lines


if __name__ == "__main__":
    found = missing()
    for text in found:
        sys.stderr.write("dicebeam: missing: %s\n" % text)
    sys.exit(1 if found else 0)
